_base_ = "./softmax_cgnet_camvid.py"
custom_imports = dict(imports=["gmmseg.heads", "gmmseg.transforms"], allow_failed_imports=False)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="FCNHead",
        # The training is 40 times shorter than the paper's; memory and momentum reach back as much less.
        mixture=dict(preset="paper", memory_size=1000, momentum_means=0.96, momentum_deviations=0.96),
    ),
)
