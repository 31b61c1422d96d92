# The memory of its mixtures takes 6.1 GB while training; mixture.memory_dtype="float16" halves that.
_base_ = "./softmax_upernet_swin-b_ade20k.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="UPerHead", mixture=dict(preset="paper")),
)
