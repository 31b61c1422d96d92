# Cityscapes at 512x256, a quarter of its size, for a CPU. data/cityscapes is the genuine tree, or a flat copy of any
# size with images/{train,val} and annotations/{train,val}.
dataset_type = "SmallCityscapes"
data_root = "data/cityscapes"
frame_size = (512, 256)
crop_size = (256, 384)
train_pipeline = [
    dict(type="LoadSmallFrame", size=frame_size),
    dict(type="RandomResize", scale=frame_size, ratio_range=(0.75, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    # Frames made smaller than the crop: with the mean of the network's input, and before labels are thinned.
    dict(type="Pad", size=crop_size[::-1], pad_val=dict(img=(127, 127, 127), seg=255)),
    # The grid of the network's own output: resizing its logits to every pixel takes a good part of the time.
    dict(type="ThinLabels", factor=4),
    dict(type="PackSegInputs"),
]
# Each validation has workers of its own, which see a frame once.
test_pipeline = [dict(type="LoadSmallFrame", size=frame_size, keep=False), dict(type="PackSegInputs")]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split="val", pipeline=test_pipeline),
)
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_dataloader = val_dataloader
test_evaluator = val_evaluator
