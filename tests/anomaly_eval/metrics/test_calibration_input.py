"""What calibration refuses, and that a refused image adds nothing."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from anomaly_eval.metrics.calibration import CalibrationState
from anomaly_eval.metrics.labels import VOID
from tests.anomaly_eval.metrics.calibrated import calibration_metrics


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e39])
def test_logits_that_are_not_finite_are_refused_and_add_nothing(wrong):
    rng = np.random.default_rng(10)
    logits, label = rng.standard_normal((2, 200, 200)), np.zeros((200, 200), np.uint8)
    state = CalibrationState(2)
    state.update(logits, label)
    before = state.compute()
    logits[1, 199, 199] = wrong
    with pytest.raises(ValueError, match="NaN, or values that are infinite"):
        state.update(logits, label)
    assert pickle.dumps(state.compute()) == pickle.dumps(before)


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [([0.5, np.nan], "NaN or negative"), ([1.2, -0.2], "NaN or negative"), ([0.5, 0.502], "0.002, not 0.001")],
)
def test_what_is_no_probability_is_refused(probabilities, words):
    with pytest.raises(ValueError, match=words):
        calibration_metrics(np.array(probabilities).reshape(2, 1, 1), np.zeros((1, 1), np.uint8))


@pytest.mark.parametrize(
    ("shape", "label", "words"),
    [
        ((3, 2, 2), np.zeros((2, 3), np.uint8), r"\(3, 2, 2\) do not fit 3 classes and a label of shape \(2, 3\)"),
        ((2, 2, 2), np.zeros((2, 2), np.uint8), "do not fit 3 classes"),
        ((3, 4), np.zeros((4,), np.uint8), "do not fit"),
        ((3, 1, 2), np.zeros((1, 2), np.int64), "must be uint8"),
        ((3, 1, 2), np.array([[3, VOID]], np.uint8), "label holds 3, but there are 3 classes"),
    ],
)
def test_what_does_not_fit_is_refused(shape, label, words):
    with pytest.raises(ValueError, match=words):
        CalibrationState(3).update(np.zeros(shape), label)
    with pytest.raises(ValueError, match=words):
        CalibrationState(3).update(torch.zeros(shape), label)


@pytest.mark.parametrize(
    ("n_classes", "bins", "words"), [(0, 15, "0 classes"), (256, 15, "256 classes"), (2, 0, "0 bins")]
)
def test_numbers_that_cannot_be_counted_are_refused(n_classes, bins, words):
    with pytest.raises(ValueError, match=words):
        CalibrationState(n_classes, bins)


@pytest.mark.parametrize("other", [CalibrationState(3, 15), CalibrationState(2, 10)])
def test_other_classes_or_bins_do_not_merge(other):
    with pytest.raises(ValueError, match="do not fit those of 2 in 15"):
        CalibrationState(2).merge(other)


@pytest.mark.parametrize("shape", [(0, 0), (2, 2)])
def test_nothing_but_void_is_refused(shape):
    state = CalibrationState(3)
    state.update(np.zeros((3, *shape)), np.full(shape, VOID, np.uint8))
    with pytest.raises(ValueError, match="no pixel of any class"):
        state.compute()
