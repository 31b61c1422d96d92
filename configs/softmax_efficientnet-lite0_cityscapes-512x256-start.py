# Trains on two cores of a CPU in an hour or two.
_base_ = [
    "./_base_/models/segformer_efficientnet-lite0.py",
    "./_base_/datasets/cityscapes_512x256.py",
    "./_base_/runtime.py",
]
custom_imports = dict(
    imports=[
        "gmmseg.efficientnet_lite",
        "gmmseg.lean_head",
        "gmmseg.cityscapes",
        "gmmseg.transforms",
        "gmmseg.training.bfloat16",
    ],
    allow_failed_imports=False,
)
optim_wrapper = dict(
    type="BFloat16OptimWrapper",
    optimizer=dict(type="AdamW", lr=3e-4, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={"head": dict(lr_mult=10.0)}),
)
# 20 passes over the 2,973 to 2,975 frames.
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=300),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=300, end=14900, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=14900, val_interval=3725)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000))
