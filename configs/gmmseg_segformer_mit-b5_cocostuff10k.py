# The memory of its mixtures takes 7.0 GB while training; mixture.memory_dtype="float16" halves that.
_base_ = "./softmax_segformer_mit-b5_cocostuff10k.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="SegformerHead", mixture=dict(preset="paper")),
)
