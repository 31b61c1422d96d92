# The memory of its mixtures takes 6.1 GB while training; mixture.memory_dtype="float16" halves that.
_base_ = "./softmax_deeplabv3plus_r101_ade20k.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="DepthwiseSeparableASPPHead", mixture=dict(preset="paper")),
)
