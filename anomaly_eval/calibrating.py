"""Calibration of one network on one closed-set dataset."""

from __future__ import annotations

from rich.console import Console

from anomaly_eval.clock import Clock
from anomaly_eval.closed_set import check_same_classes
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.calibration import CalibrationMetrics, CalibrationState
from anomaly_eval.predicting import predictions
from anomaly_eval.prediction import Segmenter
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
    for label, prediction in predictions(segmenter, samples, console, clock, f"calibration on {samples.spec}"):
        with clock.section("metrics"):
            for rows, logits in prediction.logits.bands():
                state.update(logits, label[rows])
    try:
        return state.compute()
    except ValueError as error:
        raise InputError(f"{samples.spec}: {error}; check its labels in {samples.samples[0].label.parent}.") from error
