_base_ = "./softmax_cgnet_cityscapes.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="FCNHead", mixture=dict(preset="paper")),
)
