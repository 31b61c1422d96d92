"""Calibration of one network on one closed-set dataset."""

from __future__ import annotations

import torch
from rich.console import Console

from anomaly_eval.clock import Clock
from anomaly_eval.closed_set import check_same_classes
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.calibration import CalibrationMetrics, CalibrationState
from anomaly_eval.prediction import Segmenter, refuse_non_finite
from anomaly_eval.progress import progress_bar
from anomaly_eval.reading import read_ahead
from anomaly_eval.samples import SampleSet


def calibrate(
    segmenter: Segmenter, samples: SampleSet, console: Console, clock: Clock, bins: int = 15
) -> CalibrationMetrics:
    """Pool all pixels that are not void; probabilities are the softmax of the logits, resized to the label first.

    Raises InputError for a dataset of another task, for other classes than the network's, for an unusable image or
    label, for labels that are all void, and for NaN in logits; the message names the file.
    """
    classes = check_same_classes(samples, segmenter.classes)
    state = CalibrationState(len(classes), bins)
    with progress_bar(console, f"calibration on {samples.spec}", len(samples.samples)) as advance:
        for sample, image, label in read_ahead(samples, clock):
            with clock.section("forward"), torch.inference_mode():
                prediction = segmenter(image)
                refuse_non_finite(prediction, sample.image)
            with clock.section("metrics"):
                for rows, logits in prediction.logits.bands():
                    state.update(logits, label[rows])
            advance()
    try:
        return state.compute()
    except ValueError as error:
        raise InputError(f"{samples.spec}: {error}; check its labels in {samples.samples[0].label.parent}.") from error
