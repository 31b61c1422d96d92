_base_ = "./softmax_cgnet_camvid.py"
custom_imports = dict(imports=["gmmseg.heads", "gmmseg.transforms"], allow_failed_imports=False)
model = dict(
    decode_head=dict(type="GMMSegHead", architecture="FCNHead", mixture=dict(preset="paper")),
)
