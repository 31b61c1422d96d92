"""The intervals of the binned metrics: certain to hold the exact value, and reached by scores built for it."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.metrics import counts as counts_module
from anomaly_eval.metrics import intervals as intervals_module
from anomaly_eval.metrics.binned import BinnedRankingState
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.intervals import (
    BinCounts,
    Interval,
    average_precision_interval,
    fpr_at_tpr_interval,
    monotone_interval,
)
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.rates import (
    CONVENTIONS,
    auroc,
    average_precision,
    best_f1,
    fpr_at_tpr,
    tpr_at_fpr,
)
from anomaly_eval.metrics.runs import Run
from tests.anomaly_eval.metrics.updated import updated

GRID = st.integers(-12, 12).map(lambda step: step / 4)
WITH_INFINITIES = st.one_of(GRID, st.sampled_from([-np.inf, np.inf, -0.0]))
# Distinct in float64, of which many are the same in float32.
COLLIDING = st.tuples(st.integers(-2, 2), st.integers(-9, 9)).map(lambda pair: pair[0] + 1 + pair[1] * 1e-9)
BORDERS = st.lists(st.integers(-12, 12), min_size=1, max_size=6, unique=True).map(
    lambda steps: np.float32(sorted(steps)) / 4
)
ROUNDING = 1e-12
RATES = (0.25, 0.5, 0.8, 0.95, 1.0)


@st.composite
def scored_labels(draw):
    values = draw(st.sampled_from([GRID, WITH_INFINITIES, COLLIDING]))
    anomalies = draw(st.lists(values, min_size=1, max_size=21))
    inliers = draw(st.lists(values, min_size=1, max_size=21))
    return image(anomalies, inliers)


def image(anomalies, inliers):
    labels = np.repeat(np.uint8([ANOMALY, INLIER, VOID]), [len(anomalies), len(inliers), 1])
    return np.array([*anomalies, *inliers, np.nan], np.float64), labels


def binned(bins, *images):
    return updated(BinnedRankingState(bins), images)


def exact_counts(scores, labels):
    anomalies, inliers = np.sort(scores[labels == ANOMALY]), np.sort(scores[labels == INLIER])
    return threshold_counts(sort_anomalies(anomalies), [Run(inliers)])


def largest_f1(counts):
    return best_f1(counts).f1


def auroc_interval(counts):
    return monotone_interval(counts, auroc)


def all_metrics():
    """(name, exact metric of counts at all thresholds, its interval of binned counts)."""
    yield "auroc", auroc, auroc_interval
    yield "ap", average_precision, average_precision_interval
    yield "f1", largest_f1, lambda counts: monotone_interval(counts, largest_f1)
    for fpr in (0.0, 0.05, 0.3, 1.0):
        yield (
            f"tpr@{fpr}",
            lambda counts, fpr=fpr: tpr_at_fpr(counts, fpr),
            lambda counts, fpr=fpr: monotone_interval(counts, lambda order: tpr_at_fpr(order, fpr)),
        )
    for convention, tpr in itertools.product(CONVENTIONS, RATES):
        yield (
            f"fpr@{tpr} {convention}",
            lambda counts, at=(tpr, convention): fpr_at_tpr(counts, *at),
            lambda counts, at=(tpr, convention): fpr_at_tpr_interval(counts, *at),
        )


def assert_certain(interval: Interval, exact: float, name: str) -> None:
    if math.isnan(exact):
        assert all(math.isnan(end) for end in (interval.low, interval.value, interval.high)), name
        return
    # Sums of fractions are rounded more than once.
    slack = ROUNDING if name == "ap" else 0
    for value in (exact, interval.value):
        assert interval.low - slack <= value <= interval.high + slack, name


@given(case=scored_labels(), borders=BORDERS)
@settings(max_examples=200, deadline=None)
def test_intervals_hold_the_exact_value(case, borders):
    exact, coarse = exact_counts(*case), binned(ScoreBins(borders), case).counts()
    for name, metric, interval in all_metrics():
        assert_certain(interval(coarse), metric(exact), name)


@given(case=scored_labels(), bits=st.sampled_from([8, 12]))
@settings(max_examples=40, deadline=None)
def test_intervals_over_uniform_bins_hold_the_exact_value(case, bits):
    exact, coarse = exact_counts(*case), binned(ScoreBins.uniform(bits), case).counts()
    for name, metric, interval in all_metrics():
        assert_certain(interval(coarse), metric(exact), name)


def test_intervals_are_certain_to_the_last_bit():
    # Two sums of the same fractions in other orders: the exact average precision is the least one.
    case = image([0.75, 0.0, 0.25, 1.0, 2.75, 2.0, 2.0, 2.5], [0.75, 1.5])
    exact = average_precision(exact_counts(*case))
    found = average_precision_interval(binned(ScoreBins(np.float32([1, 2])), case).counts())
    assert found.low <= exact <= found.high


def orders(n_anomalies, n_inliers, lowest):
    """Every arrangement of the pixels of a bin on a few scores, as (anomalies, inliers)."""
    scores = [lowest + step / 4 for step in range(max(n_anomalies, 2) + 1)]
    return itertools.product(
        itertools.combinations_with_replacement(scores, n_anomalies),
        itertools.combinations_with_replacement(scores, n_inliers),
    )


CONTENTS = [
    [(2, 1), (1, 2)],
    [(1, 2), (2, 1)],
    [(3, 2)],
    [(0, 1), (2, 2), (1, 0)],
    [(1, 0), (0, 2), (2, 1)],
    [(1, 1), (1, 1), (1, 1)],
]


@pytest.mark.parametrize("contents", CONTENTS, ids=str)
def test_ends_are_those_of_all_arrangements_within_bins(contents):
    found = {name: [] for name, _, _ in all_metrics()}
    for arrangement in itertools.product(*(orders(*pixels, low) for low, pixels in enumerate(contents))):
        anomalies, inliers = (sum((bin_[kind] for bin_ in arrangement), ()) for kind in (0, 1))
        counts = threshold_counts(sort_anomalies(np.float32(anomalies)), [Run(np.sort(np.float32(inliers)))])
        for name, metric, _ in all_metrics():
            found[name].append(metric(counts))
    coarse = BinCounts(
        np.float32([-np.inf, *range(1, len(contents))]),
        np.array([anomalies for anomalies, _ in contents]),
        np.array([inliers for _, inliers in contents]),
    )
    for name, _, interval in all_metrics():
        ends = interval(coarse)
        for exact in (min(found[name]), max(found[name])):
            assert_certain(ends, exact, name)
        if name in ("auroc", "ap") or "first_geq" in name:
            assert (ends.low, ends.high) == pytest.approx((min(found[name]), max(found[name])), abs=ROUNDING), name


def built(contents, anomalies_first):
    """Scores with the anomalies of each bin tied and ahead, or one by one and behind."""
    anomalies, inliers = [], []
    for lowest, (n_anomalies, n_inliers) in enumerate(contents):
        steps = [0.75] * n_anomalies if anomalies_first else [0.1 * (step + 1) for step in range(n_anomalies)]
        anomalies += [lowest + step for step in steps]
        inliers += [lowest + (0.25 if anomalies_first else 0.9)] * n_inliers
    return image(anomalies, inliers)


@pytest.mark.parametrize(("n_bins", "most"), [(1, 6), (2, 3), (3, 1)])
def test_ends_are_reached_by_the_best_and_the_worst_order(n_bins, most):
    bins = ScoreBins(np.arange(1, n_bins, dtype=np.float32))
    pixels = list(itertools.product(range(most + 1), repeat=2))
    for contents in itertools.product(pixels, repeat=n_bins):
        if not all(sum(kind) for kind in zip(*contents, strict=True)):
            continue
        cases = [built(contents, anomalies_first) for anomalies_first in (True, False)]
        coarse = binned(bins, cases[0]).counts()
        best, worst = (exact_counts(*case) for case in cases)
        ends = auroc_interval(coarse)
        assert (ends.low, ends.high) == (auroc(worst), auroc(best))
        ends = average_precision_interval(coarse)
        assert ends.low == pytest.approx(average_precision(worst), abs=ROUNDING)
        assert ends.high == pytest.approx(average_precision(best), abs=ROUNDING)
        for tpr in RATES:
            ends = fpr_at_tpr_interval(coarse, tpr)
            assert (ends.low, ends.high) == (fpr_at_tpr(best, tpr), fpr_at_tpr(worst, tpr))


@given(st.permutations([ANOMALY] * 4 + [INLIER] * 3))
@settings(max_examples=60, deadline=None)
def test_a_bin_for_each_pixel_leaves_nothing_open(labels):
    case = np.arange(7.0), np.uint8(labels)
    exact, coarse = exact_counts(*case), binned(ScoreBins(np.arange(7, dtype=np.float32) - 0.5), case).counts()
    for name, metric, interval in all_metrics():
        found, value = interval(coarse), metric(exact)
        np.testing.assert_allclose([found.low, found.value, found.high], value, rtol=0, atol=ROUNDING, err_msg=name)


@given(scored_labels())
@settings(max_examples=60, deadline=None)
def test_a_bin_for_each_score_gives_the_exact_value(case):
    scores, labels = case[0].astype(np.float32), case[1]
    distinct = np.unique(scores[labels != VOID])
    exact, state = exact_counts(scores, labels), binned(ScoreBins(distinct[1:]), (scores, labels))
    for name, metric, interval in all_metrics():
        np.testing.assert_equal(interval(state.counts()).value, metric(exact), err_msg=name)
    found, expected = best_f1(state.counts().tied), best_f1(exact)
    # The lowest bin has no border, so all that is known of its scores is that they are above -inf.
    lowest = -np.inf if expected.threshold == distinct[0] else expected.threshold
    assert (found.threshold, found.f1, found.fpr) == (lowest, expected.f1, expected.fpr)


@given(case=scored_labels(), borders=BORDERS, pixels=st.integers(1, 5), thresholds=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_how_much_is_summed_at_once_changes_no_interval(case, borders, pixels, thresholds):
    counts = binned(ScoreBins(borders), case).counts()
    expected = average_precision_interval(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals_module, "_PIXELS_AT_ONCE", pixels)
        patch.setattr(counts_module, "_FOLDED_AT_ONCE", thresholds)
        found = average_precision_interval(counts)
    for name in ("low", "value", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=ROUNDING)


def test_metrics_of_a_state_are_those_of_its_counts():
    rng = np.random.default_rng(0)
    case = image(rng.standard_normal(30) + 1, rng.standard_normal(50))
    state = binned(ScoreBins(np.float32([-1, 0, 0.5, 1])), case)
    metrics, counts = state.compute(), state.counts()
    assert metrics.intervals == {
        "auroc": auroc_interval(counts),
        "ap": average_precision_interval(counts),
        "fpr95": fpr_at_tpr_interval(counts),
    }
    assert (metrics.n_anomalies, metrics.n_inliers) == (30, 50)
    area = metrics.intervals["auroc"]
    assert area.low < area.value < area.high


def test_fitted_bins_are_fine_enough_for_two_million_pixels():
    rng = np.random.default_rng(0)
    labels = (rng.random(2_000_000) < 0.02).astype(np.uint8)
    scores = (rng.standard_normal(len(labels)) + 1.5 * labels).astype(np.float32)
    exact = RankingState()
    exact.update(scores, labels)
    expected = exact.compute()
    found = binned(ScoreBins.fitted(scores[::10], bits=16), (scores, labels)).compute()
    for name, interval in found.intervals.items():
        assert_certain(interval, expected.rates[name], name)
        # The thresholds that average precision depends on most are near the top, where every tenth pixel is too few.
        assert interval.high - interval.low < (1e-3 if name == "ap" else 1e-4), name


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, ScoreBins(np.float32([0, 0.5])), ScoreBins.uniform(10)]))
@settings(max_examples=10, deadline=None)
def test_order_and_merging_change_no_bit(seed, bins):
    rng = np.random.default_rng(seed)
    images = [image(rng.standard_normal(rng.integers(1, 9)), rng.standard_normal(rng.integers(9))) for _ in range(6)]
    images.append(image([], [0.0]))
    expected = binned(bins, *images).compute()
    order = [images[index] for index in rng.permutation(len(images))]
    parts = [binned(bins, *order[:1]), binned(bins, *order[1:4]), binned(bins, *order[4:])]
    before = [part._anomalies.copy() for part in parts]
    state = BinnedRankingState(bins)
    for part in parts:
        state.merge(part)
    state.update(np.zeros(0), np.zeros(0, np.uint8))
    assert state.compute() == expected == pickle.loads(pickle.dumps(state)).compute()
    for part, counts in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part._anomalies, counts)


def test_counts_stay_what_they_were_when_the_state_grows():
    state = binned(ScoreBins(np.float32([0])), image([1.0], [-1.0]))
    before = state.counts()
    state.update(*image([-1.0], [1.0]))
    assert auroc_interval(before) == Interval(1.0, 1.0, 1.0)
    assert auroc_interval(state.counts()).value == 0.5


def test_states_over_other_bins_are_not_merged():
    state, other = BinnedRankingState(ScoreBins(np.float32([0]))), BinnedRankingState(ScoreBins(np.float32([1])))
    other.update(*image([0.5], [2.0]))
    with pytest.raises(ValueError, match="same bins"):
        state.merge(other)
    with pytest.raises(ValueError, match="no anomaly pixel"):
        state.compute()


@pytest.mark.parametrize(("label", "missing"), [(INLIER, "anomaly"), (ANOMALY, "inlier"), (VOID, "anomaly")])
def test_one_sided_labels_are_refused(label, missing):
    state = binned(ScoreBins(np.float32([0])), (np.zeros(3, np.float32), np.full(3, label, np.uint8)))
    with pytest.raises(ValueError, match=f"no {missing} pixel"):
        state.compute()


def test_what_cannot_be_counted_is_refused_and_adds_nothing():
    state = binned(ScoreBins(np.float32([0])), image([1.0], [-1.0]))
    expected = state.compute()
    labels = np.uint8([ANOMALY, INLIER])
    for scores, given_labels, message in [
        (np.float32([1, np.nan]), labels, "scores of frame 7 hold NaN"),
        (np.float32([1, 2, 3]), labels, "frame 7"),
        (np.float32([1, 2]), np.uint8([ANOMALY, 7]), "labels of frame 7 hold 7"),
    ]:
        with pytest.raises(ValueError, match=message):
            state.update(scores, given_labels, "frame 7")
    assert state.compute() == expected


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("tpr", [0.0, 1.1, math.inf, math.nan])
def test_rates_must_be_rates(convention, tpr):
    counts = binned(ScoreBins(np.float32([0])), image([1.0], [-1.0])).counts()
    with pytest.raises(ValueError, match="true-positive rate must lie in"):
        fpr_at_tpr_interval(counts, tpr, convention)


@pytest.mark.parametrize("score", [-np.inf, np.inf])
@pytest.mark.parametrize("bins", [ScoreBins(np.float32([0])), ScoreBins.uniform(8), ScoreBins.uniform(20)], ids=len)
def test_infinite_scores_have_a_threshold_that_finds_them(score, bins):
    counts = binned(bins, image([score], [score, score])).counts()
    assert auroc_interval(counts) == Interval(0.5, 0.0, 1.0)
    best = best_f1(counts.tied)
    assert (best.recall, best.fpr) == (1.0, 1.0)
    assert score >= best.threshold


def test_more_pixels_than_63_bits_can_pair():
    few, many = (BinnedRankingState(ScoreBins(np.float32([0]))) for _ in range(2))
    few.add(np.array([10, 30]), np.array([90, 10]))
    many.add(np.array([10, 30]) * 10**9, np.array([90, 10]) * 10**9)
    assert auroc_interval(few.counts()) == auroc_interval(many.counts())
