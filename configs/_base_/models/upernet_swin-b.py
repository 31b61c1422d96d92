# Swin-B as pretrained on ImageNet-1K at 224x224: the paper uses no ImageNet-22K for it (Table 1).
_base_ = "mmseg::_base_/models/upernet_swin.py"
weights = (
    "https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/"
    "swin_base_patch4_window7_224_20220317-e9b98025.pth"
)
model = dict(
    backbone=dict(
        init_cfg=dict(type="Pretrained", checkpoint=weights),
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
)
del weights
