_base_ = "./softmax_segformer_r18w16_synthetic_streets.py"
custom_imports = dict(imports=["gmmseg.heads", "gmmseg.transforms"], allow_failed_imports=False)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="SegformerHead",
        # The training is 80 times shorter than the paper's; memory and momentum reach back less. Without the
        # temperature posteriors are too sure, without the prior not sure enough, and the loss falls later. Few pixels
        # of each image let the memory span many: densities of mixtures that know ten images say little.
        mixture=dict(
            preset="paper",
            pixels_per_class_and_image=20,
            memory_size=2000,
            momentum_means=0.96,
            momentum_deviations=0.96,
            learned_temperature=20.0,
            class_prior="frequencies",
        ),
    ),
)
