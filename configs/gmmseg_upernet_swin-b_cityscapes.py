_base_ = "./softmax_upernet_swin-b_cityscapes.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="UPerHead", mixture=dict(preset="paper")),
)
