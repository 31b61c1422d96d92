"""Intervals of scores that float32 does not hold are those of resamples whose pixels are pooled and sorted anew."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.measures import MethodState, bootstrap_rows, method_counts
from anomaly_eval.metrics.bootstrap import draw_weights, percentile_interval
from anomaly_eval.metrics.ranking import RankingState, ranking_metrics

N_IMAGES, RESAMPLES = 10, 100
Change = Callable[[np.ndarray], np.ndarray]
Image = tuple[np.ndarray, np.ndarray]


def drawn(change: Change, dtype: type = np.float64) -> list[Image]:
    """Scores and labels of images on which a method is good or bad by turns."""
    rng, images = np.random.default_rng(0), []
    for _ in range(N_IMAGES):
        label = (rng.random((24, 32)) < 0.1).astype(np.uint8)
        quality = rng.normal()
        images.append((change(rng.normal(size=label.shape) + quality * label).astype(dtype), label))
    return images


def binned(images: list[Image]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return the intervals of a run, in percent, and its warnings."""
    measures = Measures(resamples=RESAMPLES)
    state, warnings = MethodState(measures, 1 << 28), []
    for index, (scores, label) in enumerate(images):
        state.update(scores, label, str(index))
    state.finish()
    exact = {"own": ranking_metrics(state.ranking.counts())}
    rows, _ = bootstrap_rows(SimpleNamespace(spec="own"), method_counts({"own": state}, exact), measures, warnings)
    return {row.metric: (row.low, row.high) for row in rows}, warnings


def sorted_anew(images: list[Image]) -> dict[str, tuple[float, float]]:
    """Return the intervals by their definition."""
    found: dict[str, list[float]] = {}
    for weights in draw_weights(N_IMAGES, RESAMPLES, 0):
        state = RankingState()
        for (scores, label), times in zip(images, weights, strict=True):
            for _ in range(times):
                state.update(scores, label)
        for key, rate in state.compute().rates.items():
            found.setdefault(key, []).append(rate)
    intervals = {key: percentile_interval(np.array(rates)) for key, rates in found.items()}
    return {key: (100 * one.low, 100 * one.high) for key, one in intervals.items()}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s + 1e9, id="large offset"),
        pytest.param(lambda s: s - 1e12, id="large negative offset"),
        pytest.param(lambda s: s * 1e-60, id="below the least float32"),
        pytest.param(lambda s: s * 1e60, id="beyond the largest float32"),
        pytest.param(lambda s: s * 1e305, id="close to the largest float64"),
        pytest.param(lambda s: 1 - 1e-13 / (1 + np.exp(s)), id="probabilities close to 1"),
        pytest.param(lambda s: np.where(s > 3, 1e300, s + 1e9), id="offset and outliers"),
        pytest.param(lambda s: np.where(s < -2.5, -np.inf, s + 1e9), id="offset and infinities"),
        pytest.param(lambda s: s, id="plain"),
    ],
)
def test_intervals_of_float64_are_the_true_ones(change: Change) -> None:
    images = drawn(change)
    found, _ = binned(images)
    for key, (low, high) in sorted_anew(images).items():
        assert found[key] == pytest.approx((low, high), abs=0.3), key


def test_a_change_of_offset_or_scale_changes_no_interval() -> None:
    plain, _ = binned(drawn(lambda s: s))
    for offset, scale in ((2.0**40, 1.0), (0.0, 2.0**-200), (-(2.0**60), 2.0**20)):
        moved, _ = binned(drawn(lambda s, offset=offset, scale=scale: s * scale + offset))
        for key, bounds in plain.items():
            assert moved[key] == pytest.approx(bounds, abs=0.05)


def test_float32_that_is_stored_as_float64_changes_no_bit() -> None:
    assert binned(drawn(lambda s: s, np.float32)) == binned(drawn(lambda s: s.astype(np.float32)))


def test_where_bins_cannot_hold_the_ranking_there_is_no_interval_and_the_reason_is_true() -> None:
    images = drawn(lambda s: s + 1e9)
    flat = [(np.full_like(scores, 1e9), label) for scores, label in images[:4]]
    found, (warning,) = binned([*flat, *images[4:]])
    assert not found
    assert warning.startswith(
        "no intervals of own, as bins fitted to its first 4 images hold too many different scores"
    )
