"""Calibration of one network on one closed-set dataset, at one or more temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from anomaly_eval.datasets.pixel_hashes import PixelHashes
from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import check_same_classes, predicted_classes
from anomaly_eval.evaluation.image_loop import predictions
from anomaly_eval.metrics.calibration import CalibrationMetrics, CalibrationState
from anomaly_eval.metrics.closed_set import ClosedSetMetrics, ClosedSetState
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.segmenters.base import Segmenter


@dataclass(frozen=True)
class Calibrated:
    """What one pass found: calibration at each temperature, and the classes, which no temperature changes."""

    calibration: list[CalibrationMetrics]
    closed_set: ClosedSetMetrics
    void_pixels: int
    sizes: set[tuple[int, int]]
    """Distinct (width, height) of the images in pixels."""
    hashes: PixelHashes
    """Of the images and labels that were measured."""


def check_has_probabilities(segmenter: Segmenter, name: str) -> None:
    """Raise InputError for a network, called `name`, that gives neither logits nor probabilities."""
    if not {"logits", "probabilities"} & segmenter.provides:
        raise InputError(
            f"{name} is a mask classifier: its class evidence is no probability, so there is nothing to calibrate; "
            f"leave it out."
        )


def calibrate(
    segmenter: Segmenter,
    samples: SampleSet,
    console: Console,
    clock: Clock,
    bins: int = 15,
    temperatures: Sequence[float] = (1.0,),
) -> Calibrated:
    """Pool all pixels that are not void; probabilities are the softmax of the logits / T, resized to the label first.

    Raises InputError for a dataset of another task, for other classes than the network's, for an unusable image or
    label, for labels that are all void, and for NaN in logits; the message names the file.
    """
    classes = check_same_classes(samples, segmenter)
    segmenter = segmenter.with_outputs(())
    states = [CalibrationState(len(classes), bins) for _ in temperatures]
    closed_set, void_pixels, sizes, hashes = ClosedSetState(len(classes)), 0, set(), PixelHashes()
    for image, label, prediction in predictions(segmenter, samples, console, clock, f"calibration on {samples.spec}"):
        with clock.section("input"):
            hashes.add(image, label)
        with clock.section("metrics"):
            void_pixels += int(np.count_nonzero(label == VOID))
            sizes.add((label.shape[1], label.shape[0]))
            closed_set.update(predicted_classes(prediction.class_maps), label)
            for rows, logits in prediction.class_maps.bands():
                for state, temperature in zip(states, temperatures, strict=True):
                    state.update(logits / temperature, label[rows])
    try:
        return Calibrated([state.compute() for state in states], closed_set.compute(), void_pixels, sizes, hashes)
    except ValueError as error:
        raise samples.wrong_labels(error) from error
