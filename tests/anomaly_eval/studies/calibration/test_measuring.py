"""Calibration of a network on a dataset equals that of its probabilities, pooled by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.segmenters.running import Running
from anomaly_eval.studies.calibration.measuring import calibrate


def test_pooled_over_images(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    samples = find_dataset(str(tmp_path / "training.yaml"), data)
    segmenter = Running(device="cpu").network(checkpoint, None).load()
    found = calibrate(segmenter, samples, Console(quiet=True), Clock(), bins=10).calibration[0]
    confidence, right = [], []
    for sample in samples.samples:
        image, label = sample.read_image(), sample.read_label()
        with torch.inference_mode():
            probabilities = segmenter(image).logits.resized().double().softmax(0).numpy()
        confidence.append(probabilities.max(0).ravel())
        right.append((probabilities.argmax(0) == label).ravel())
    sure, hits = np.concatenate(confidence), np.concatenate(right)
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == index].sum() - hits[bins == index].sum()) for index in range(10)]
    assert found.n_pixels == len(sure)
    assert found.ece == pytest.approx(sum(gaps) / len(sure), abs=1e-6)


def test_anomalies_have_no_classes(data: Path, checkpoint: Path) -> None:
    segmenter = Running(device="cpu").network(checkpoint, None).load()
    with pytest.raises(InputError, match="road_anomaly"):
        calibrate(segmenter, find_dataset("road_anomaly", data), Console(quiet=True), Clock())
