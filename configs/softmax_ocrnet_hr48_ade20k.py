_base_ = [
    "./_base_/models/ocrnet_hr48.py",
    "./_base_/datasets/ade20k.py",
    "mmseg::_base_/schedules/schedule_160k.py",
    "./_base_/runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=[dict(head, num_classes=150) for head in _base_.model.decode_head],
)
