_base_ = [
    "./_base_/models/deeplabv3plus_r101.py",
    "./_base_/datasets/ade20k.py",
    "mmseg::_base_/schedules/schedule_160k.py",
    "./_base_/runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150),
)
