_base_ = "./softmax_efficientnet-lite0_cityscapes-512x256.py"
custom_imports = dict(
    imports=[
        "gmmseg.efficientnet_lite",
        "gmmseg.lean_head",
        "gmmseg.cityscapes",
        "gmmseg.transforms",
        "gmmseg.training.bfloat16",
        "gmmseg.heads",
    ],
    allow_failed_imports=False,
)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="LeanSegformerHead",
        mixture=dict(
            preset="paper",
            learned_temperature=20.0,
            class_prior="frequencies",
            pixels_per_class_and_image=20,
            memory_size=2000,
            momentum_means=0.98,
            momentum_deviations=0.98,
        ),
    ),
)
