_base_ = "./softmax_deeplabv3plus_r101_cityscapes.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="DepthwiseSeparableASPPHead", mixture=dict(preset="paper")),
)
