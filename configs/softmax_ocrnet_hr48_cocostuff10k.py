_base_ = [
    "./_base_/models/ocrnet_hr48.py",
    "./_base_/datasets/cocostuff10k.py",
    "mmseg::_base_/schedules/schedule_80k.py",
    "./_base_/runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=[dict(head, num_classes=171) for head in _base_.model.decode_head],
)
