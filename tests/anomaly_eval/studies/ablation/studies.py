"""A small study: two trainings of a few iterations on drawn scenes, a refit, and scenes with an anomaly."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.studies.ablation import run
from anomaly_eval.studies.trainings import Training
from tests.gmmseg.training.trainings import CARD, SOFTMAX, UNFORMATTED, forget_earlier_trainings, write_training

ANOMALIES_CARD = """
name: odd
title: Odd scenes
task: anomaly
variants: {test: {images: 3}}
default_variant: test
labels: {inlier: [0], anomaly: [1], void: [255]}
layouts:
  - name: flat
    images: "{folder}/images/{id}.png"
    masks: "{folder}/labels/{id}.png"
"""


def write_study(folder: Path, **changed: Any) -> Path:
    """Draw data, write two configs and the plan `study.yaml`, with these fields in the place of its own."""
    gmmseg = write_training(folder).rename(folder / "study-gmmseg.py")
    softmax = write_training(folder, extra=SOFTMAX).rename(folder / "study-softmax.py")
    generator = np.random.default_rng(1)
    for kind in ("images", "labels"):
        (folder / "data" / "odd" / kind).mkdir(parents=True)
    for index in range(3):
        mask = np.zeros((64, 64), np.uint8)
        mask[20:40, 10 * index : 10 * index + 20] = 1
        image = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / "data" / "odd" / "images" / f"{index}.png")
        Image.fromarray(mask).save(folder / "data" / "odd" / "labels" / f"{index}.png")
    classes, anomalies = folder / "drawn.yaml", folder / "odd.yaml"
    classes.write_text(CARD)
    anomalies.write_text(ANOMALIES_CARD)
    training_card = folder / "drawn_train.yaml"
    training_card.write_text(CARD.replace("default_variant: val", "default_variant: train"))
    plan: dict[str, Any] = {
        "title": "A study of 2 % & more",
        "iterations": 4,
        "options": ["default_hooks.checkpoint.interval=2"],
        "resize": "48",
        "resize_closed_set": "40",
        "resamples": 20,
        "datasets": {"anomaly": [str(anomalies)], "closed_set": str(classes), "fit": str(training_card)},
        "networks": {
            "softmax": {"config": str(softmax)},
            "mixtures": {"config": str(gmmseg), "options": ["model.decode_head.mixture.components=3"]},
            "refitted": {"refit": "softmax", "components": 2, "pixels_per_class": 50, "resize": 56},
        },
        "sections": [
            {
                "title": "Twins",
                "rows": [
                    {"name": "Softmax", "network": "softmax", "scores": ["msp", "mahalanobis"]},
                    {"name": "GMMSeg", "network": "mixtures", "scores": ["gmmseg", "gmmseg_normalised"]},
                ],
            },
            {
                "title": "After training",
                "rows": [
                    {"name": "At first", "network": "softmax", "scores": ["energy"]},
                    {"name": "Refit", "network": "refitted", "scores": ["gmmseg"]},
                ],
            },
        ],
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**plan, **changed}, sort_keys=False))
    return path


def ablate(folder: Path, *words: str, out: Path | None = None, data: Path | None = None, device: str = "cpu") -> int:
    """Run `ablate` on the study in a folder, and return the exit code."""
    where = ["--out", str(out or folder / "out"), "--data-root", str(data or folder / "data"), "--device", device]
    return main(["ablate", str(folder / "study.yaml"), *where, *words])


@contextmanager
def trained_here() -> Iterator[None]:
    """Run the words of trainings one after the other in this process, which has imported all that they need."""

    def train_all(
        trainings: Sequence[Training], *_: object, finished: Callable[[Training, float], None], **__: object
    ) -> None:
        for training in trainings:
            forget_earlier_trainings()
            assert main(training.words) == 0
            finished(training, 1.0)

    with patch.object(run, "train_all", train_all), patch(*UNFORMATTED):
        yield


def copied(folder: Path, to: Path) -> Path:
    """Return a copy of the output of the study."""
    shutil.copytree(folder / "out", to)
    return to
