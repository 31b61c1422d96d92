_base_ = "./softmax_segformer_mit-b5_cityscapes.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="SegformerHead", mixture=dict(preset="paper")),
)
