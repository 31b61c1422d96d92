# SegFormer's head on EfficientNet-Lite0: 3.6 million parameters. ImageNet weights come with the extra `imagenet`.
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(256, 384),
    ),
    backbone=dict(
        type="EfficientNetLite", variant=0, init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite:0")
    ),
    decode_head=dict(
        type="LeanSegformerHead",
        in_channels=[24, 40, 112, 320],
        in_index=[0, 1, 2, 3],
        channels=128,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
