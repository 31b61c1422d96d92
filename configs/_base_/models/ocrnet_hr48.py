_base_ = "mmseg::_base_/models/ocrnet_hr18.py"
channels = [48, 96, 192, 384]
fcn, ocr = _base_.model.decode_head
model = dict(
    pretrained="open-mmlab://msra/hrnetv2_w48",
    backbone=dict(
        extra=dict(
            stage2=dict(num_channels=(48, 96)),
            stage3=dict(num_channels=(48, 96, 192)),
            stage4=dict(num_channels=(48, 96, 192, 384)),
        )
    ),
    # A list replaces the base's list as a whole.
    decode_head=[dict(fcn, in_channels=channels, channels=sum(channels)), dict(ocr, in_channels=channels)],
)
del channels, fcn, ocr
