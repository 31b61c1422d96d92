# The same as gmmseg_efficientnet-lite0_cityscapes-512x256 with the paper's mixture: diagonal covariances, features of
# length one. For comparison; a temperature, the shares of the classes and a memory that short trainings fill are ours.
_base_ = "./softmax_efficientnet-lite0_cityscapes-512x256.py"
custom_imports = dict(imports=[*_base_.custom_imports.imports, "gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="LeanSegformerHead",
        mixture=dict(
            preset="paper",
            learned_temperature=20.0,
            class_prior="frequencies",
            pixels_per_class_and_image=40,
            memory_size=2000,
            momentum_means=0.98,
            momentum_deviations=0.98,
        ),
    ),
)
