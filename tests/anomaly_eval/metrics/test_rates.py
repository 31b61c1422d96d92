"""The functions of the counts against the whole curve over all distinct scores, built with plain loops."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from anomaly_eval.metrics import counts as counts_module
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.rates import (
    CONVENTIONS,
    auroc,
    average_precision,
    best_f1,
    best_f1_index,
    fpr_at_tpr,
    least_count,
    operating_point,
    tpr_at_fpr,
)
from anomaly_eval.metrics.runs import Run

FEW_VALUES = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf])
INTEGERS = st.integers(-30, 30).map(float)
RATES = st.one_of(
    st.sampled_from([1e-300, 0.05, 0.1, 0.25, 0.3, 0.5, 0.8, 0.9, 0.95, 1.0, math.nextafter(1, 0)]),
    st.floats(1e-6, 1.0),
    st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda pair: min(pair) / max(pair)),
)


class Pixels(NamedTuple):
    anomalies: list[float]
    inliers: list[float]


class WholeCurve(NamedTuple):
    """At every distinct score, from the highest down; anomalies and inliers at or above it, and the rates."""

    thresholds: np.ndarray
    found: np.ndarray
    false: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray


@st.composite
def pixels(draw):
    values = draw(st.sampled_from([FEW_VALUES, INTEGERS, st.just(7.0)]))
    most = draw(st.sampled_from([1, 5, 20, 25]))
    return Pixels(
        draw(st.lists(values, min_size=1, max_size=most)),
        draw(st.lists(values, min_size=1, max_size=25)),
    )


def counts_of(anomalies, inliers):
    return threshold_counts(sort_anomalies(np.float64(anomalies)), [Run(np.sort(np.float64(inliers)))])


def whole_curve(anomalies, inliers) -> WholeCurve:
    thresholds = sorted({*anomalies, *inliers}, reverse=True)
    found = np.array([sum(score >= threshold for score in anomalies) for threshold in thresholds])
    false = np.array([sum(score >= threshold for score in inliers) for threshold in thresholds])
    return WholeCurve(np.array(thresholds), found, false, found / len(anomalies), false / len(inliers))


def ranked(anomalies, inliers):
    """Truth and ranks, which have the order and the ties of the scores: scikit-learn refuses infinities."""
    ranks = np.unique([*anomalies, *inliers], return_inverse=True)[1]
    return np.array([1] * len(anomalies) + [0] * len(inliers)), ranks


def first_geq(curve: WholeCurve, tpr):
    return curve.fpr[curve.tpr >= tpr][0]


def first_gt(curve: WholeCurve, tpr):
    beyond = curve.fpr[curve.tpr > tpr]
    return beyond[0] if len(beyond) else math.nan


def interpolated(curve: WholeCurve, tpr):
    return np.interp(tpr, np.append(0, curve.tpr), np.append(0, curve.fpr))


def nearest(curve: WholeCurve, tpr):
    """The first of the smallest distances, from the highest threshold that finds all anomalies upwards."""
    full = list(curve.tpr).index(1.0)
    best, at = math.inf, -1
    for index in range(full, -1, -1):
        distance = abs(curve.tpr[index] - tpr)
        if distance < best:
            best, at = distance, index
    return curve.fpr[at]


BY_DEFINITION = {"first_geq": first_geq, "first_gt": first_gt, "interpolated": interpolated, "nearest": nearest}


@given(pixels())
@settings(max_examples=100, deadline=None)
def test_the_curve_of_the_tests_is_that_of_scikit_learn(case):
    curve = whole_curve(*case)
    fpr, tpr, _ = roc_curve(*ranked(*case), drop_intermediate=False)
    np.testing.assert_array_equal(np.append(0, curve.tpr), tpr)
    np.testing.assert_array_equal(np.append(0, curve.fpr), fpr)


@given(pixels())
@settings(max_examples=150, deadline=None)
def test_counts_are_the_points_of_the_curve_at_scores_of_anomalies(case):
    counts, curve = counts_of(*case), whole_curve(*case)
    at = [list(curve.thresholds).index(threshold) for threshold in sorted({*case.anomalies}, reverse=True)]
    np.testing.assert_array_equal(counts.thresholds, curve.thresholds[at])
    np.testing.assert_array_equal(counts.true_positives, curve.found[at])
    np.testing.assert_array_equal(counts.false_positives, curve.false[at])
    np.testing.assert_array_equal(
        counts.false_positives_above, [sum(score > t for score in case.inliers) for t in counts.thresholds]
    )
    assert (counts.n_anomalies, counts.n_inliers) == (len(case.anomalies), len(case.inliers))


@given(pixels())
@settings(max_examples=150, deadline=None)
def test_auroc_is_the_share_of_pairs_won(case):
    won = sum(Fraction(int(a > i) + int(a >= i), 2) for a in case.anomalies for i in case.inliers)
    found = auroc(counts_of(*case))
    assert found == float(won / (len(case.anomalies) * len(case.inliers)))
    assert found == pytest.approx(roc_auc_score(*ranked(*case)), abs=1e-12)


@given(pixels())
@settings(max_examples=150, deadline=None)
def test_average_precision_is_the_step_wise_sum(case):
    curve = whole_curve(*case)
    gained = np.diff(curve.found, prepend=0)
    terms = [
        Fraction(int(step), len(case.anomalies)) * Fraction(int(found), int(found + false))
        for step, found, false in zip(gained, curve.found, curve.false, strict=True)
    ]
    found = average_precision(counts_of(*case))
    assert found == pytest.approx(float(sum(terms)), abs=1e-14)
    assert found == pytest.approx(average_precision_score(*ranked(*case)), abs=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(case=pixels(), tpr=RATES)
@example(case=Pixels([2.0, 1.0], [3.0, 1.5, 0.0]), tpr=0.5)
@example(case=Pixels([1.0], [2.0, 1.0, 0.0]), tpr=0.25)
@example(case=Pixels([1.0], [2.0, 1.0, 0.0]), tpr=0.5)
@settings(max_examples=200, deadline=None)
def test_fpr_at_tpr_is_read_off_the_whole_curve(convention, case, tpr):
    expected = BY_DEFINITION[convention](whole_curve(*case), tpr)
    # An interpolated rate is rounded more than once; the others are one division of the same counts.
    tolerance = 1e-12 if convention == "interpolated" else 0
    np.testing.assert_allclose(fpr_at_tpr(counts_of(*case), tpr, convention), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(case=pixels(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_fpr_at_rates_that_are_reached_exactly_and_half_way_between_two(convention, case, data):
    n = len(case.anomalies)
    twice = data.draw(st.integers(1, 2 * n))
    tpr = twice / (2 * n)
    expected = BY_DEFINITION[convention](whole_curve(*case), tpr)
    np.testing.assert_allclose(fpr_at_tpr(counts_of(*case), tpr, convention), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("convention", "expected"),
    # 20 anomalies at 1 to 20, and inliers just above and just below them: the k-th highest anomaly is outscored by k
    # inliers, and k + 1 of them lie above the next one.
    [
        ("first_geq", {0.5: 10, 0.95: 19, 0.96: 20, 1.0: 20}),
        ("first_gt", {0.5: 11, 0.95: 20, 0.96: 20, 1.0: math.nan}),
        ("interpolated", {0.5: 11, 0.95: 20, 0.96: 20, 1.0: 25}),
        ("nearest", {0.5: 11, 0.95: 20, 0.96: 20, 0.99: 20, 1.0: 20}),
    ],
)
def test_conventions_on_twenty_anomalies(convention, expected):
    anomalies = np.arange(1.0, 21.0)
    inliers = [*(anomalies + 0.25), 0.5, 0.4, 0.3, 0.2, 0.1]
    counts = counts_of(anomalies, inliers)
    for tpr, false in expected.items():
        np.testing.assert_allclose(fpr_at_tpr(counts, tpr, convention), false / 25, rtol=0, atol=1e-12)


def test_conventions_differ_on_tied_scores():
    # Nine of ten anomalies tie with inliers in two steps, so that 0.6 is reached, and 0.95 lies inside a step.
    counts = counts_of([3] * 6 + [2] * 3 + [1], [3] * 2 + [2] * 3 + [1.5] + [1] * 4)
    found = {convention: fpr_at_tpr(counts, 0.6, convention) for convention in CONVENTIONS}
    assert found == {"first_geq": 0.2, "first_gt": 0.5, "interpolated": 0.2, "nearest": 0.2}
    found = {convention: fpr_at_tpr(counts, 0.95, convention) for convention in CONVENTIONS}
    assert found == pytest.approx({"first_geq": 1.0, "first_gt": 1.0, "interpolated": 0.8, "nearest": 0.6})


@given(case=pixels(), fpr=st.one_of(st.just(0.0), RATES))
@settings(max_examples=200, deadline=None)
def test_tpr_at_fpr_is_the_largest_allowed(case, fpr):
    curve = whole_curve(*case)
    assert tpr_at_fpr(counts_of(*case), fpr) == max([0.0, *curve.tpr[curve.fpr <= fpr]])


def test_tpr_at_fpr_is_nothing_where_an_inlier_is_on_top():
    counts = counts_of([1.0, 2.0], [3.0, 0.0])
    assert [tpr_at_fpr(counts, fpr) for fpr in (0.0, 0.49, 0.5, 1.0)] == [0.0, 0.0, 1.0, 1.0]


@given(pixels())
@settings(max_examples=200, deadline=None)
def test_best_f1_is_the_best_of_all_scores_as_thresholds(case):
    anomalies, inliers = np.float64(case.anomalies), np.float64(case.inliers)
    best = None
    for threshold in sorted({*case.anomalies, *case.inliers}, reverse=True):
        tp, fp = int((anomalies >= threshold).sum()), int((inliers >= threshold).sum())
        f1 = Fraction(2 * tp, 2 * tp + fp + (len(anomalies) - tp))
        if best is None or f1 > best[0]:
            best = f1, threshold, tp, fp
    f1, threshold, tp, fp = best
    found = best_f1(counts_of(*case))
    assert (found.f1, found.threshold) == (float(f1), threshold)
    assert (found.precision, found.recall, found.fpr) == (tp / (tp + fp), tp / len(anomalies), fp / len(inliers))


def test_of_equal_f1_the_highest_threshold_is_taken():
    # 3: TP 1, FP 0 of 3 anomalies, F1 = 1/2. 1: TP 3, FP 6, F1 = 1/2 too. 2: TP 2, FP 6, less.
    counts = counts_of([3.0, 2.0, 1.0], [2.5] * 6)
    assert [operating_point(counts, index).f1 for index in range(3)] == [0.5, 4 / 11, 0.5]
    for block in (1 << 16, 2, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(counts_module, "_FOLDED_AT_ONCE", block)
            assert (best_f1(counts).threshold, best_f1_index(counts)) == (3.0, 0)


@given(pixels())
@settings(max_examples=50, deadline=None)
def test_best_f1_is_no_worse_than_scikit_learn_finds(case):
    precision, recall, _ = precision_recall_curve(*ranked(*case))
    with np.errstate(invalid="ignore"):
        f1 = np.nanmax(2 * precision * recall / (precision + recall))
    assert best_f1(counts_of(*case)).f1 == pytest.approx(f1, abs=1e-12)


@given(st.integers(1, 300), st.integers(-2, 302), st.sampled_from([-1, 0, 1]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_least_count_is_the_first_of_all_counts(total, count, direction, strictly):
    rate = count / total
    rate = min(max(math.nextafter(rate, direction * math.inf) if direction else rate, 0.0), 1.0)
    expected = [n for n in range(total + 1) if (n / total > rate if strictly else n / total >= rate)]
    assert least_count(rate, total, strictly) == (expected or [total + 1])[0]


@pytest.mark.parametrize(("rate", "total"), [(0.1 + 0.2, 10), (0.95, 20), (0.07, 100), (0.29, 100), (1.0, 3)])
def test_least_count_where_multiplying_would_mislead(rate, total):
    expected = [n for n in range(total + 1) if n / total >= rate]
    assert least_count(rate, total) == expected[0]


@given(case=pixels(), block=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_blocks_change_no_metric(case, block):
    counts = counts_of(*case)
    whole = auroc(counts), best_f1(counts), average_precision(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "_FOLDED_AT_ONCE", block)
        assert (auroc(counts), best_f1(counts)) == whole[:2]
        assert average_precision(counts) == pytest.approx(whole[2], abs=1e-14)
        gained = np.concatenate([gained for gained, _ in counts.blocks()])
    np.testing.assert_array_equal(gained, np.diff(counts.true_positives, prepend=0))


@pytest.mark.parametrize("score", [0.0, np.inf, -np.inf])
def test_constant_scores(score):
    counts = counts_of([score] * 2, [score] * 6)
    assert (auroc(counts), average_precision(counts), fpr_at_tpr(counts)) == (0.5, 0.25, 1.0)
    assert fpr_at_tpr(counts, 0.95, "interpolated") == pytest.approx(0.95)
    assert [fpr_at_tpr(counts, 0.95, convention) for convention in ("first_gt", "nearest")] == [1.0, 1.0]
    assert [tpr_at_fpr(counts, fpr) for fpr in (0.0, 0.99, 1.0)] == [0.0, 0.0, 1.0]
    assert best_f1(counts).threshold == score


@pytest.mark.parametrize("tpr", [0.0, -0.1, 1.01, math.inf, math.nan])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_true_positive_rate_must_be_one(tpr, convention):
    with pytest.raises(ValueError, match="true-positive rate must lie in"):
        fpr_at_tpr(counts_of([1.0], [0.0]), tpr, convention)


@pytest.mark.parametrize("fpr", [-0.1, 1.01, math.nan])
def test_a_false_positive_rate_must_be_one(fpr):
    with pytest.raises(ValueError, match="false-positive rate must lie in"):
        tpr_at_fpr(counts_of([1.0], [0.0]), fpr)


def test_an_unknown_convention_is_named_beside_the_known():
    with pytest.raises(ValueError, match=r"'last'; choose one of first_geq, first_gt, interpolated, nearest"):
        fpr_at_tpr(counts_of([1.0], [0.0]), 0.95, "last")
