"""Thinned curves against all thresholds: which points stay, and what is read off them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.metrics import counts as counts_module
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.curves import thinned_curve
from anomaly_eval.metrics.rates import best_f1, fpr_at_tpr
from anomaly_eval.metrics.runs import Run

SCORES = st.one_of(st.sampled_from([-np.inf, np.inf]), st.integers(-60, 60).map(lambda step: step / 4))
POINTS = st.sampled_from([1, 2, 7, 1000])


@st.composite
def all_counts(draw):
    anomalies = draw(st.lists(SCORES, min_size=1, max_size=60))
    inliers = draw(st.lists(SCORES, min_size=1, max_size=60))
    separation = draw(st.sampled_from([0, 5, 10]))
    return counts_of(np.array(anomalies) + separation, inliers)


def counts_of(anomalies, inliers):
    return threshold_counts(sort_anomalies(np.float32(anomalies)), [Run(np.sort(np.float32(inliers)))])


def many_counts(n=20_000, separation=1.0):
    rng = np.random.default_rng(0)
    return counts_of(rng.standard_normal(n // 4) + separation, rng.standard_normal(n))


def kept_places(counts, curve):
    """Where the points of the curve are among all thresholds."""
    places = {threshold: place for place, threshold in enumerate(counts.thresholds.tolist())}
    return [places[threshold] for threshold in curve.thresholds.tolist()]


@given(counts=all_counts(), points=POINTS)
@settings(max_examples=200, deadline=None)
def test_points_are_thresholds_with_exactly_their_rates(counts, points):
    curve = thinned_curve(counts, points)
    at = kept_places(counts, curve)
    assert at == sorted(set(at))
    assert (at[0], at[-1]) == (0, len(counts.thresholds) - 1)
    found, false = counts.true_positives[at], counts.false_positives[at]
    np.testing.assert_array_equal(curve.tpr, found / counts.n_anomalies)
    np.testing.assert_array_equal(curve.fpr, false / counts.n_inliers)
    np.testing.assert_array_equal(curve.precision, found / (found + false))


@given(counts=all_counts(), points=POINTS)
@settings(max_examples=100, deadline=None)
def test_thresholds_fall_and_rates_rise(counts, points):
    curve = thinned_curve(counts, points)
    assert (curve.thresholds[1:] < curve.thresholds[:-1]).all()
    assert (np.diff(curve.tpr) > 0).all()
    assert (np.diff(curve.fpr) >= 0).all()
    assert curve.tpr[-1] == 1


@given(counts=all_counts(), points=POINTS, tpr=st.sampled_from([0.05, 0.5, 0.8, 0.95, 1.0]))
@settings(max_examples=200, deadline=None)
def test_metrics_can_be_read_off_the_points(counts, points, tpr):
    curve = thinned_curve(counts, points, tpr)
    assert curve.fpr[curve.tpr >= tpr][0] == fpr_at_tpr(counts, tpr)
    best = best_f1(counts)
    at = curve.thresholds.tolist().index(best.threshold)
    assert (curve.precision[at], curve.tpr[at], curve.fpr[at]) == (best.precision, best.recall, best.fpr)
    f1 = 2 * curve.precision * curve.tpr / (curve.precision + curve.tpr)
    assert f1.max() == pytest.approx(best.f1, abs=1e-12)


def test_a_single_cell_keeps_the_best_f1_and_fpr95():
    counts = many_counts(separation=2.0)
    curve, best = thinned_curve(counts, points=1), best_f1(counts)
    assert len(curve.thresholds) == 4
    assert curve.tpr[1] == best.recall
    assert (curve.tpr[2], curve.fpr[2]) == (0.95, fpr_at_tpr(counts))


@given(counts=all_counts(), points=POINTS)
@settings(max_examples=200, deadline=None)
def test_neighbours_are_apart_by_a_cell_and_one_step_of_the_counts(counts, points):
    curve = thinned_curve(counts, points)
    at = kept_places(counts, curve)
    for all_rates, rates in [
        (counts.true_positives / counts.n_anomalies, curve.tpr),
        (counts.false_positives / counts.n_inliers, curve.fpr),
    ]:
        steps = np.diff(all_rates, prepend=0)
        assert (np.diff(rates) <= 1 / points + steps[at[1:]] + 1e-12).all()


@given(counts=all_counts(), points=st.integers(1, 9), block=st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_blocks_change_no_point(counts, points, block):
    expected = thinned_curve(counts, points)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "_FOLDED_AT_ONCE", block)
        found = thinned_curve(counts, points)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)


@pytest.mark.parametrize("points", [1, 10, 100, 1000])
@pytest.mark.parametrize("separation", [0.0, 1.0, 6.0])
def test_points_are_few_and_near_each_other(points, separation):
    counts = many_counts(separation=separation)
    curve = thinned_curve(counts, points)
    assert len(curve.thresholds) <= 2 * points + 4
    # With 5000 anomalies every cell of the true-positive rate is entered.
    assert len(curve.thresholds) >= points
    assert np.diff(curve.tpr, prepend=0).max() <= 2 / points
    if separation == 0 and points < 1000:
        # The false-positive rate goes up in steps as large as the cells where there are 1000.
        assert np.diff(curve.fpr, prepend=0).max() <= 2 / points


def test_as_many_cells_as_pixels_keep_every_threshold():
    counts = counts_of(np.arange(50), np.arange(50) + 0.5)
    np.testing.assert_array_equal(thinned_curve(counts, 1000).thresholds, counts.thresholds)


def test_perfectly_parted_scores_lose_nothing():
    curve = thinned_curve(counts_of([3.0, 2.0], [1.0, 0.0]), points=1)
    assert (curve.tpr.tolist(), curve.fpr.tolist(), curve.precision.tolist()) == ([0.5, 1.0], [0.0, 0.0], [1.0, 1.0])


def test_constant_scores_are_one_point():
    curve = thinned_curve(counts_of([2.0] * 3, [2.0] * 9))
    assert [curve.thresholds, curve.tpr, curve.fpr, curve.precision] == [[2], [1], [1], [0.25]]


@pytest.mark.parametrize("points", [0, -1])
def test_a_curve_needs_a_cell(points):
    with pytest.raises(ValueError, match=f"one cell or more, not {points}"):
        thinned_curve(counts_of([1.0], [0.0]), points)


def test_a_rate_that_nothing_reaches_is_refused():
    with pytest.raises(ValueError, match="true-positive rate"):
        thinned_curve(counts_of([1.0], [0.0]), tpr=1.5)
