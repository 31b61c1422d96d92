# Trains on a CPU from the weights of a CGNet of Cityscapes (--init-from), with one process.
_base_ = [
    "./_base_/models/cgnet.py",
    "./_base_/datasets/camvid.py",
    "mmseg::_base_/schedules/schedule_20k.py",
    "./_base_/runtime.py",
]
custom_imports = dict(imports=["gmmseg.transforms"], allow_failed_imports=False)
model = dict(data_preprocessor=dict(size=(320, 448)), decode_head=dict(num_classes=11))
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={"head": dict(lr_mult=10.0)}),
)
# A shorter run: --cfg-options train_cfg.max_iters=200 param_scheduler.0.end=200
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=900, by_epoch=False)]
train_cfg = dict(max_iters=900, val_interval=300)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=300))
