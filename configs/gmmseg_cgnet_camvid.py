_base_ = "./softmax_cgnet_camvid.py"
custom_imports = dict(imports=["gmmseg.heads", "gmmseg.transforms"], allow_failed_imports=False)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="FCNHead",
        # The training is some 90 times shorter than the paper's; momentum reaches back as much less, and few pixels of
        # each image let the memory span many. An embedding of free length, a temperature and the shares of the classes
        # are not the paper's; what they give, and what not, is in reports/measured/camvid.
        mixture=dict(
            preset="paper",
            projection="conv_norm",
            normalisation="none",
            learned_temperature=20.0,
            class_prior="frequencies",
            pixels_per_class_and_image=20,
            memory_size=2000,
            momentum_means=0.96,
            momentum_deviations=0.96,
        ),
    ),
)
