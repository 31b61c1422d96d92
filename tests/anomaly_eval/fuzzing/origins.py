"""A network and a fit, as the files that are fuzzed name them."""

from __future__ import annotations

from anomaly_eval.results.origins import FitRecord, ModelRecord

MODEL = ModelRecord(
    checkpoint="net.pth",
    checkpoint_sha256="a" * 64,
    config="checkpoint meta",
    config_sha256="b" * 64,
    classes=["road", "sky", "car"],
    inference="whole",
    resize="native",
    device="cpu",
)
FIT = FitRecord(dataset="cityscapes", n_images=3, expected_images=3, files_sha256="c" * 64, notes=["a note"])
