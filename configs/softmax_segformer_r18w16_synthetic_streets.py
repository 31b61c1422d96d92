# The first network of `gmmseg-anomaly demo`, which sets the number of iterations by the minutes it has.
_base_ = [
    "./_base_/models/segformer_r18w16.py",
    "./_base_/datasets/synthetic_streets.py",
    "./_base_/runtime.py",
]
custom_imports = dict(imports=["gmmseg.transforms"], allow_failed_imports=False)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=3e-3, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=50, end=1000, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=1000, val_interval=1000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1000))
