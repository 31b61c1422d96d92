"""A real network on real images, where they are: the numbers that an independent run found."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from anomaly_eval.cards import load_card
from anomaly_eval.cli import main
from anomaly_eval.clock import Clock
from anomaly_eval.reading import read_ahead
from anomaly_eval.samples import find_samples
from tests.shared_data import shared_checkpoint, shared_data


def test_msp_on_road_anomaly_is_what_an_independent_run_found(tmp_path):
    """All 60 images at native resolution; the same network by other code gave 56.49 / 11.49 / 83.45."""
    options = ["--ckpt", str(shared_checkpoint()), "--data-root", str(shared_data()), "--out", str(tmp_path / "out")]
    assert main(["eval", "--dataset", "road_anomaly", "--scores", "msp", "--device", "cpu", *options]) == 0
    (row,) = csv.DictReader((tmp_path / "out" / "results.csv").open())
    assert float(row["auroc"]) == pytest.approx(56.49, abs=0.01)
    assert float(row["ap"]) == pytest.approx(11.49, abs=0.01)
    assert float(row["fpr95"]) == pytest.approx(83.45, abs=0.01)
    assert (row["n_images"], row["n_anomaly_pixels"], row["n_inlier_pixels"]) == ("60", "5446413", "49849587")


def test_closed_set_accuracy_on_cityscapes_is_what_an_independent_run_found():
    """Pixel accuracy 0.955 and mean IoU 0.675 over the 14 classes that the four frames show."""
    from anomaly_eval.segmenters.mmseg import load_segmenter

    segmenter = load_segmenter(shared_checkpoint(), device="cpu")
    card, variant = load_card("cityscapes")
    assert tuple(card.classes) == segmenter.classes
    counts = np.zeros((19, 19), np.int64)
    for _, image, label in read_ahead(find_samples(card, variant, shared_data()), Clock()):
        with torch.inference_mode():
            predicted = segmenter(image).logits.resized().argmax(dim=0).numpy()
        kept = label != 255
        counts += confusion_matrix(label[kept], predicted[kept], labels=range(19))
    shown = counts.sum(axis=1) > 0
    union = counts.sum(axis=0) + counts.sum(axis=1) - counts.diagonal()
    assert shown.sum() == 14
    assert counts.trace() / counts.sum() == pytest.approx(0.955, abs=0.0006)
    assert (counts.diagonal()[shown] / union[shown]).mean() == pytest.approx(0.675, abs=0.0006)
