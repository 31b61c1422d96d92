# The same second part as that of the softmax twin, as GMMSeg:
#     gmmseg-anomaly train gmmseg_efficientnet-lite0_cityscapes-512x256 --data-root /data --out gmmseg \
#         --init-from start/weights.pth
# Not the paper's recipe: reports/measured/cityscapes says what each difference does.
_base_ = "./softmax_efficientnet-lite0_cityscapes-512x256.py"
custom_imports = dict(imports=[*_base_.custom_imports.imports, "gmmseg.heads"], allow_failed_imports=False)
model = dict(
    decode_head=dict(
        type="GMMSegHead",
        architecture="LeanSegformerHead",
        # A covariance would learn its noise.
        dropout_ratio=0.0,
        mixture=dict(
            preset="paper",
            components=1,
            # The features themselves: a projection drops what the known classes do not need.
            projection="none",
            dimensions=128,
            normalisation="none",
            covariance="full",
            learned_temperature=4.0,
            class_prior="frequencies",
            margin_loss_weight=1.0,
            softmax_loss_weight=1.0,
            pixels_per_class_and_image=40,
            momentum_means=0.98,
            momentum_deviations=0.98,
            loss_stride=3,
            memory_size=20_000,
            refit_at_end=True,
        ),
    ),
)
