# The second part of a training, from the weights of the first, with images changed as other cameras would change them:
#     gmmseg-anomaly train softmax_efficientnet-lite0_cityscapes-512x256-start --data-root /data --out start
#     gmmseg-anomaly train softmax_efficientnet-lite0_cityscapes-512x256 --data-root /data --out softmax \
#         --init-from start/weights.pth
_base_ = "./softmax_efficientnet-lite0_cityscapes-512x256-start.py"
train_pipeline = [*_base_.train_pipeline[:5], dict(type="OtherCamera"), *_base_.train_pipeline[5:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-2, by_epoch=False, begin=0, end=100),
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=100, end=2000, by_epoch=False),
]
train_cfg = dict(max_iters=2000, val_interval=2000)
