_base_ = [
    "./_base_/models/upernet_swin-b.py",
    "./_base_/datasets/cocostuff10k.py",
    "./_base_/schedules/swin_80k.py",
    "./_base_/runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=171),
    auxiliary_head=dict(num_classes=171),
)
