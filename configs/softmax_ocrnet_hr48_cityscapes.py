_base_ = [
    "./_base_/models/ocrnet_hr48.py",
    "./_base_/datasets/cityscapes.py",
    "mmseg::_base_/schedules/schedule_80k.py",
    "./_base_/runtime.py",
]
model = dict(
    data_preprocessor=dict(size=(768, 768)),
    test_cfg=dict(mode="slide", crop_size=(768, 768), stride=(512, 512)),
)
