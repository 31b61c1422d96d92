"""Score histograms against NumPy's, with scores in memory and on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_eval.metrics.histograms import score_histogram
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.runs import Run, ScorePool

FLOATS = st.one_of(st.floats(-1e3, 1e3, width=32), st.sampled_from([0.0, 1.0, np.inf, -np.inf, 3e38, -3e38]))


def scores(dtype):
    return arrays(dtype, st.integers(1, 60), elements=FLOATS)


@given(st.data(), st.sampled_from([np.float32, np.float64]), st.integers(1, 12), st.integers(1, 4))
def test_counts_are_those_of_a_loop_however_the_runs_are_cut(data, dtype, bins, n_runs):
    anomalies, inliers = np.sort(data.draw(scores(dtype))), data.draw(scores(dtype))
    runs = [Run(np.sort(part)) for part in np.array_split(inliers, n_runs)]
    found = score_histogram(anomalies, runs, bins)
    whole = score_histogram(anomalies, [Run(np.sort(inliers))], bins)
    assert np.array_equal(found.edges, whole.edges)
    assert len(found.edges) == bins + 1
    assert np.isfinite(found.edges).all() and (np.diff(found.edges) >= 0).all()
    for values, counts in ((anomalies, found.anomalies), (inliers, found.inliers)):
        places = [sum(float(value) >= edge for edge in found.edges[1:-1]) for value in values]
        assert counts.tolist() == np.bincount(places, minlength=bins).tolist()


def test_edges_leave_out_a_thousandth_on_either_side():
    inliers = np.linspace(0, 1, 100_001, dtype=np.float32)
    found = score_histogram(np.full(5, 0.5, np.float32), [Run(inliers)], 100)
    assert found.edges[0] == pytest.approx(0.001, abs=1e-4)
    assert found.edges[-1] == pytest.approx(0.999, abs=1e-4)
    assert found.inliers.sum() == len(inliers)


def test_a_state_counts_the_same_in_memory_and_on_disk_and_its_metrics_stay():
    generator = np.random.default_rng(0)
    images = [(generator.normal(size=400).astype(np.float32), generator.integers(0, 2, 400)) for _ in range(5)]
    states = [RankingState(), RankingState(memory_limit=1000)]
    for state in states:
        for values, labels in images:
            state.update(values, labels)
    metrics = [state.compute() for state in states]
    found = [state.histogram(20) for state in states]
    assert np.array_equal(found[0].inliers, found[1].inliers) and np.array_equal(found[0].edges, found[1].edges)
    assert found[0].inliers.sum() == metrics[0].n_inliers and found[0].anomalies.sum() == metrics[0].n_anomalies
    assert [state.compute() for state in states] == metrics


def test_a_pool_that_was_sorted_sorts_what_comes_after():
    pool = ScorePool()
    pool.extend(np.array([3.0, 1.0], np.float32))
    assert pool.sorted_runs(1)[0].values.tolist() == [1.0, 3.0]
    pool.extend(np.array([2.0], np.float32))
    assert pool.sorted_runs(1)[0].values.tolist() == [1.0, 2.0, 3.0]


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="0 bins"):
        score_histogram(np.ones(1), [Run(np.ones(1))], 0)
