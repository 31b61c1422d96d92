"""The ranking metrics against scikit-learn, which sorts all pixels and builds the whole curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.ranking import RankingMetrics, RankingState
from anomaly_eval.metrics.rates import fpr_at_tpr
from anomaly_eval.metrics.runs import Run


def by_scikit_learn(scores, labels):
    """AUROC, AP and FPR95 of the pixels that are not void."""
    kept = labels != VOID
    truth = labels[kept] == ANOMALY
    # scikit-learn refuses infinities; ranks have the same order and the same ties.
    ranks = np.unique(scores[kept], return_inverse=True)[1].reshape(-1)
    false_positives, true_positives, _ = roc_curve(truth, ranks, drop_intermediate=False)
    first = np.flatnonzero(true_positives >= 0.95)[0]
    return roc_auc_score(truth, ranks), average_precision_score(truth, ranks), false_positives[first]


def compute(scores, labels) -> RankingMetrics:
    state = RankingState()
    state.update(scores, labels)
    return state.compute()


def assert_equal(metrics: RankingMetrics, expected) -> None:
    got = [metrics.rates[key] for key in ("auroc", "ap", "fpr95")]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


values = st.one_of(st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0, np.inf]), st.floats(-1e3, 1e3, width=32))


@st.composite
def scored_labels(draw):
    n = draw(st.integers(2, 200))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    scores = draw(arrays(np.float64, n, elements=values)).astype(dtype)
    labels = draw(arrays(np.uint8, n, elements=st.sampled_from([INLIER, ANOMALY, VOID])))
    labels[:2] = INLIER, ANOMALY
    return scores, labels


@given(scored_labels())
@settings(max_examples=300, deadline=None)
def test_equals_scikit_learn_with_ties_infinities_and_void(case):
    scores, labels = case
    assert_equal(compute(scores.copy(), labels), by_scikit_learn(scores, labels))


@pytest.mark.parametrize("distinct", [3, 1000, None])
def test_equals_scikit_learn_on_many_pixels(distinct):
    rng = np.random.default_rng(1)
    labels = rng.choice([INLIER, ANOMALY, VOID], size=(300, 400), p=[0.9, 0.05, 0.05]).astype(np.uint8)
    scores = (rng.standard_normal(labels.shape) + (labels == ANOMALY)).astype(np.float32)
    if distinct:
        scores = np.round(scores * distinct / 8).astype(np.float32)
    assert_equal(compute(scores, labels), by_scikit_learn(scores, labels))


@pytest.mark.parametrize("position", [0, 41, 99])
def test_one_anomaly_pixel(position):
    scores = np.arange(100, dtype=np.float32)
    labels = np.zeros(100, np.uint8)
    labels[position] = ANOMALY
    metrics = compute(scores, labels)
    assert_equal(metrics, by_scikit_learn(scores, labels))
    assert metrics.rates["auroc"] == position / 99


def test_all_tied_scores_rank_at_chance():
    labels = np.array([INLIER] * 90 + [ANOMALY] * 10, np.uint8)
    metrics = compute(np.zeros(100, np.float32), labels)
    assert metrics.rates == {"auroc": 0.5, "ap": 0.1, "fpr95": 1.0}


def test_fpr_takes_the_first_threshold_at_or_above_the_rate():
    # 20 anomalies: 19 of them are exactly 95 %, so the lowest one does not count.
    anomalies = np.arange(20, dtype=np.float32) + 0.5
    inliers = np.array([0.0, 1.0, 2.0, 3.0], np.float32)
    counts = threshold_counts(sort_anomalies(anomalies), [Run(inliers)])
    assert fpr_at_tpr(counts, tpr=0.95) == 0.5
    assert fpr_at_tpr(counts, tpr=1.0) == 0.75


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_order_and_merging_change_nothing_to_the_bit(seed, parts):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 50, 400).astype(np.float32)
    labels = rng.choice([INLIER, ANOMALY, VOID], 400).astype(np.uint8)
    shuffled = rng.permutation(400)
    merged = RankingState()
    for part in np.array_split(shuffled, parts):
        other = RankingState()
        other.update(scores[part], labels[part])
        merged.merge(other)
    assert merged.compute() == compute(scores, labels)


def test_state_can_grow_after_computing():
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal(100).astype(np.float32), rng.integers(0, 2, 100).astype(np.uint8)
    state = RankingState()
    state.update(scores[:60], labels[:60])
    state.compute()
    state.update(scores[60:], labels[60:])
    assert state.compute() == compute(scores, labels)


def test_nan_is_refused_where_it_counts_and_only_there():
    labels = np.array([INLIER, ANOMALY, VOID], np.uint8)
    compute(np.array([0, 1, np.nan], np.float32), labels)
    for position in (0, 1):
        scores = np.zeros(3, np.float32)
        scores[position] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            compute(scores, labels)


@pytest.mark.parametrize(("label", "missing"), [(INLIER, "anomaly"), (ANOMALY, "inlier"), (VOID, "anomaly")])
def test_one_sided_labels_are_refused(label, missing):
    with pytest.raises(ValueError, match=f"no {missing} pixel"):
        compute(np.zeros(3, np.float32), np.full(3, label, np.uint8))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="do not fit"):
        RankingState().update(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.uint8))


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_counts_in_blocks_over_runs_equal_counting(seed, block, parts, many_ties):
    rng = np.random.default_rng(seed)
    anomalies = np.sort(rng.integers(-2, 22, 15).astype(np.float32))
    inliers = rng.integers(0, 3 if many_ties else 20, rng.integers(1, 40)).astype(np.float32)
    runs = [Run(np.sort(part)) for part in np.array_split(inliers, parts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anomaly_eval.metrics.counts._SEARCHED_AT_ONCE", block)
        patch.setattr("anomaly_eval.metrics.counts._COUNTED_AT_ONCE", 3)
        patch.setattr("anomaly_eval.metrics.counts._FOLDED_AT_ONCE", block)
        counts = threshold_counts(sort_anomalies(anomalies), runs, workers=2)
        gained = np.concatenate([part for part, _ in counts.blocks()])
    thresholds = np.unique(anomalies)[::-1]
    expected = {
        "thresholds": thresholds,
        "true_positives": [(anomalies >= threshold).sum() for threshold in thresholds],
        "false_positives": [(inliers >= threshold).sum() for threshold in thresholds],
        "false_positives_above": [(inliers > threshold).sum() for threshold in thresholds],
    }
    for name, numbers in expected.items():
        np.testing.assert_array_equal(getattr(counts, name), numbers)
    np.testing.assert_array_equal(gained, [(anomalies == threshold).sum() for threshold in thresholds])
    assert (counts.n_anomalies, counts.n_inliers) == (len(anomalies), len(inliers))


def test_many_thresholds_span_blocks():
    rng = np.random.default_rng(2)
    labels = (np.arange(40000) % 3 == 0).astype(np.uint8)
    scores = rng.standard_normal(40000).astype(np.float32)
    assert_equal(compute(scores, labels), by_scikit_learn(scores, labels))


def test_types_mix():
    rng = np.random.default_rng(4)
    scores, labels = rng.standard_normal((5, 30)), rng.integers(0, 2, (5, 30)).astype(np.uint8)
    state = RankingState()
    for row, kind in enumerate([np.float16, np.float32, np.float64, np.float32, np.float16]):
        scores[row] = scores[row].astype(kind)
        state.update(scores[row].astype(kind), labels[row])
    assert_equal(state.compute(), by_scikit_learn(scores.ravel(), labels.ravel()))


def test_values_that_are_no_label_are_refused_with_the_image():
    state = RankingState()
    with pytest.raises(ValueError, match=r"labels of frame_7 hold 2, but 0 is inlier, 1 anomaly and 255 void"):
        state.update(np.zeros(3, np.float32), np.array([0, 1, 2], np.uint8), "frame_7")
    with pytest.raises(ValueError, match="no anomaly pixel"):
        state.compute()


def test_scores_that_are_integers_are_refused():
    with pytest.raises(TypeError, match="floating-point"):
        RankingState().update(np.zeros(3, np.int64), np.zeros(3, np.uint8))
