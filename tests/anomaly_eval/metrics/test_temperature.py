"""The fitted temperature against a brute-force search, and on logits whose temperature is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.metrics.temperature import COLDEST, HOTTEST, end_of_range, fit_temperature


def loss(logits: np.ndarray, label: np.ndarray, temperature: float) -> float:
    values = torch.from_numpy(logits).double() / temperature
    return float(torch.nn.functional.cross_entropy(values, torch.from_numpy(label).long()))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.integers(2, 6), st.floats(0.1, 30))
def test_no_temperature_on_a_fine_grid_is_better(seed: int, pixels: int, classes: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logits = (scale * generator.normal(size=(pixels, classes))).astype(np.float32)
    label = np.where(generator.random(pixels) < 0.6, logits.argmax(1), generator.integers(0, classes, pixels))
    found = loss(logits, label, fit_temperature(logits, label))
    assert found <= min(loss(logits, label, temperature) for temperature in np.geomspace(COLDEST, HOTTEST, 300)) + 1e-9


def test_labels_drawn_at_a_temperature_give_it_back() -> None:
    generator = np.random.default_rng(0)
    logits = 5 * generator.normal(size=(400_000, 4))
    probabilities = torch.from_numpy(logits / 3).softmax(1).numpy()
    label = (probabilities.cumsum(1) < generator.random((len(logits), 1))).sum(1)
    assert fit_temperature(logits, label) == pytest.approx(3, rel=0.01)


def test_labels_that_are_always_right_end_at_the_coldest() -> None:
    assert fit_temperature(np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([0, 1])) == pytest.approx(COLDEST)


def test_labels_that_are_never_right_end_at_the_hottest() -> None:
    assert fit_temperature(np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([1, 0])) == pytest.approx(HOTTEST)


def test_nothing_to_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="one pixel"):
        fit_temperature(np.empty((0, 3)), np.empty(0, np.int64))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_temperature_at_an_end_of_its_range_is_said(scale):
    logits = np.array([[2.0, 1.0], [0.0, 4.0]]) * scale
    assert "coldest there is" in end_of_range(fit_temperature(logits, np.array([0, 1])))
    assert "hottest there is" in end_of_range(fit_temperature(logits, np.array([1, 0])))
    some = np.array([[2.0, 1.0], [0.0, 4.0], [1.0, 0.0]])
    assert end_of_range(fit_temperature(some, np.array([0, 1, 1]))) == ""
    assert "hottest" in end_of_range(fit_temperature(some * 1e6, np.array([0, 1, 1])))
