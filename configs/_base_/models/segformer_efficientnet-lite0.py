# SegFormer's head on EfficientNet-Lite0: 3.6 million parameters. ImageNet weights come with the extra `imagenet`.
_base_ = "./segformer_r18w16.py"
model = dict(
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0], size=(256, 384)),
    backbone=dict(
        _delete_=True,
        type="EfficientNetLite",
        variant=0,
        init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite:0"),
    ),
    decode_head=dict(type="LeanSegformerHead", in_channels=[24, 40, 112, 320], channels=128, dropout_ratio=0.1),
)
