"""A real network on real images, where they are: the numbers that an independent run found."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import rows
from tests.shared_data import shared_checkpoint, shared_data


def test_msp_on_road_anomaly_is_what_an_independent_run_found(tmp_path):
    """All 60 images at native resolution; the same network by other code gave 56.49 / 11.49 / 83.45."""
    options = ["--ckpt", str(shared_checkpoint()), "--data-root", str(shared_data()), "--out", str(tmp_path / "out")]
    assert main(["eval", "--dataset", "road_anomaly", "--scores", "msp", "--device", "cpu", *options]) == 0
    (row,) = rows(tmp_path / "out")
    assert float(row["auroc"]) == pytest.approx(56.49, abs=0.01)
    assert float(row["ap"]) == pytest.approx(11.49, abs=0.01)
    assert float(row["fpr95"]) == pytest.approx(83.45, abs=0.01)
    assert (row["n_images"], row["n_anomaly_pixels"], row["n_inlier_pixels"]) == ("60", "5446413", "49849587")


def closed_set(folder, *arguments):
    """The row of Cityscapes, and its classes by name, as numbers."""
    options = ["--ckpt", str(shared_checkpoint()), "--data-root", str(shared_data()), "--out", str(folder / "out")]
    assert main(["eval", "--dataset", "cityscapes", "--device", "cpu", *options, *arguments]) == 0
    (row,) = rows(folder / "out", "closed_set.csv")
    return row, rows(folder / "out", "closed_set_classes.csv")


def test_closed_set_accuracy_on_cityscapes_is_what_an_independent_run_found(tmp_path):
    """Pixel accuracy 0.955 and mean IoU 0.675 over the 14 classes that the four frames show."""
    row, classes = closed_set(tmp_path, "--protocol", "network")
    shown = [float(found["iou"]) for found in classes if int(found["n_label_pixels"])]
    assert len(shown) == 14
    assert float(row["aacc"]) == pytest.approx(95.5, abs=0.06)
    assert np.mean(shown) == pytest.approx(67.5, abs=0.06)
    # The five other classes are predicted somewhere, and so count in the mean of all.
    assert (row["n_classes"], row["protocol"]) == ("19", "network: whole; native")
    assert float(row["miou"]) == pytest.approx(sum(shown) / 19, abs=1e-9)
    assert (row["n_images"], row["n_pixels"]) == ("4", "7435420")


def test_closed_set_of_cityscapes_by_the_papers_protocol(tmp_path):
    """Sliding windows give nearly the same pixels as whole images; measured once by this code."""
    row, classes = closed_set(tmp_path)
    assert row["protocol"] == "card: slide, crop (768, 768), stride (512, 512); native"
    assert float(row["aacc"]) == pytest.approx(95.43, abs=0.01)
    shown = [float(found["iou"]) for found in classes if int(found["n_label_pixels"])]
    assert np.mean(shown) == pytest.approx(66.87, abs=0.01)
    assert float(row["miou"]) == pytest.approx(52.01, abs=0.01)
