# Cityscapes as in section 4.1: crops of 768x768, 8 images in a batch. mmsegmentation's own file with such crops
# resizes all frames to 2049x1025 first; here they keep their 2048x1024.
_base_ = "mmseg::_base_/datasets/cityscapes.py"
crop_size = (768, 768)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
# For each of 4 processes. The official code has 16 images in a batch: train_dataloader.batch_size=4.
train_dataloader = dict(batch_size=2, num_workers=4, dataset=dict(pipeline=train_pipeline))
auto_scale_lr = dict(enable=False, base_batch_size=8)
