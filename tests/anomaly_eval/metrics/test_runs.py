"""Scores on disk are the same scores: pools, sorted runs and the ranking state under tiny memory limits."""

from __future__ import annotations

import copy
import pickle
import tempfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.rates import auroc
from anomaly_eval.metrics.runs import ScorePool, sort_in_place
from tests.anomaly_eval.metrics.updated import updated

FEW_VALUES = st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.0, np.inf])
VALUES = st.one_of(FEW_VALUES, st.integers(-20, 20).map(float))
CHUNKS = st.lists(st.lists(VALUES, max_size=12), min_size=1, max_size=8)
LIMITS = st.sampled_from([1, 8, 40, 100])
FLOATS = st.sampled_from([np.float32, np.float64])


def pool_of(chunks, limit=None, kinds=(np.float32,)):
    pool = ScorePool(limit)
    for index, chunk in enumerate(chunks):
        pool.extend(np.array(chunk, kinds[index % len(kinds)]))
    return pool


def content(pool):
    """All scores ascending, after a look at each run."""
    runs = pool.sorted_runs(workers=1)
    for run in runs:
        assert len(run.values)
        assert (run.values[1:] >= run.values[:-1]).all()
    return sorted(value for run in runs for value in run.values.tolist())


def state_of(images, limit=None):
    return updated(RankingState(limit), images)


def random_images(seed, n=6, kinds=(np.float32,)):
    rng = np.random.default_rng(seed)
    images = []
    for index in range(n):
        size = int(rng.integers(2, 60))
        scores = (rng.integers(-40, 40, size) / 8).astype(kinds[index % len(kinds)])
        labels = rng.choice([INLIER, ANOMALY, VOID], size, p=[0.7, 0.2, 0.1]).astype(np.uint8)
        labels[:2] = INLIER, ANOMALY
        images.append((scores, labels))
    return images


@given(CHUNKS, LIMITS, st.lists(FLOATS, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_spilled_scores_are_the_same_in_ascending_runs(chunks, limit, kinds):
    pool = pool_of(chunks, limit, kinds)
    expected = sorted(value for chunk in chunks for value in chunk)
    assert content(pool) == expected
    assert len(pool) == len(expected)


def test_a_limit_bounds_what_is_in_memory_and_none_keeps_all_of_it():
    chunks = [[float(value)] * 3 for value in range(20)]
    pool = pool_of(chunks, limit=40)
    runs = pool.sorted_runs(workers=1)
    assert len(runs) == 7
    assert max(len(run.values) for run in runs) <= 10
    assert len(pool.values()) <= 10
    assert len(pool_of(chunks).sorted_runs(workers=1)) == 1
    np.testing.assert_array_equal(pool_of(chunks).values(), np.repeat(np.arange(20), 3))


def test_an_image_larger_than_the_limit_is_taken_whole():
    pool = pool_of([[3.0, 1.0, 2.0], [5.0, 4.0], [], [6.0]], limit=1)
    assert content(pool) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_no_scores_are_no_runs():
    assert ScorePool().sorted_runs(workers=1) == []
    assert content(pool_of([[], []], limit=1)) == []


def test_wider_scores_widen_memory_while_runs_on_disk_stay_narrow():
    pool = pool_of([[1.5, 0.5], [2.5]], limit=8)
    third = 1 / 3
    pool.extend(np.array([third]))
    pool.extend(np.array([0.25], np.float32))
    runs = pool.sorted_runs(workers=1)
    assert runs[0].values.dtype == np.float32
    assert runs[-1].values.dtype == np.float64
    assert content(pool) == [0.25, third, 0.5, 1.5, 2.5]


def test_widening_in_memory_keeps_every_bit():
    pool = pool_of([[0.1], [0.1]], kinds=(np.float32, np.float64))
    assert content(pool) == [0.1, float(np.float32(0.1))]


@given(CHUNKS, CHUNKS, CHUNKS, LIMITS, LIMITS)
@settings(max_examples=60, deadline=None)
def test_merging_leaves_the_other_as_it_was(chunks, others, later, limit, other_limit):
    one, other = pool_of(chunks, limit), pool_of(others, other_limit, (np.float64,))
    flat = [sorted(value for chunk in part for value in chunk) for part in (chunks, others, later)]
    one.merge(other)
    assert content(other) == flat[1]
    # Each goes its own way from here.
    for chunk in later:
        one.extend(np.array(chunk, np.float32))
    assert content(one) == sorted(flat[0] + flat[1] + flat[2])
    assert content(other) == flat[1]
    for chunk in later:
        other.extend(np.array(chunk, np.float32))
    assert content(other) == sorted(flat[1] + flat[2])
    assert content(one) == sorted(flat[0] + flat[1] + flat[2])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_runs_are_copied_with_their_scores(copied):
    runs = pool_of([[3.0, 1.0], [2.0, 4.0], [5.0]], limit=8).sorted_runs(workers=1)
    assert runs[0].mapping is not None
    for run in runs:
        again = copied(run)
        assert again.mapping is None
        again.release()
        np.testing.assert_array_equal(again.values, run.values)


def test_a_run_reads_its_pages_again_after_letting_go_of_them():
    run = pool_of([[3.0, 1.0], [2.0]], limit=8).sorted_runs(workers=1)[0]
    for _ in range(2):
        run.release()
        assert run.values.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("limit", [None, 1, 100])
def test_a_state_with_runs_on_disk_can_be_pickled_and_goes_on(limit):
    images = random_images(0)
    state = state_of(images[:4], limit)
    again = pickle.loads(pickle.dumps(state))
    assert again.compute() == state.compute()
    for image in images[4:]:
        again.update(*image)
    assert again.compute() == state_of(images).compute()
    assert state.compute() == state_of(images[:4]).compute()


def test_a_pickled_state_is_no_larger_than_its_scores():
    # States travel between processes; the room they have left should stay at home.
    state = state_of(random_images(0), limit=1 << 20)
    assert len(pickle.dumps(state)) < 1 << 14


@pytest.mark.parametrize("n", [0, 1, 1000, (1 << 20) + 7])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("tied", [False, True])
def test_sort_in_place_equals_sort(n, workers, tied):
    rng = np.random.default_rng(n)
    values = rng.integers(0, 3, n).astype(np.float32) if tied else rng.standard_normal(n).astype(np.float32)
    if n > 2:
        values[:2] = np.inf, -np.inf
    expected = np.sort(values)
    sort_in_place(values, workers)
    np.testing.assert_array_equal(values, expected)


@pytest.fixture
def missing_folder(monkeypatch, tmp_path):
    folder = tmp_path / "missing"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_folder_that_cannot_be_written_is_named(missing_folder):
    pool = pool_of([[1.0, 2.0]], limit=8)
    with pytest.raises(OSError, match=f"cannot be written to {missing_folder}.*TMPDIR"):
        pool.extend(np.array([3.0], np.float32))
    assert content(pool) == [1.0, 2.0]


def test_a_state_that_cannot_be_written_adds_nothing(missing_folder):
    images = random_images(1)
    state = state_of(images[:1], limit=8)
    with pytest.raises(OSError, match="cannot be written"):
        state.update(*images[1])
    assert state.compute() == state_of(images[:1]).compute()


def merged_in_several_ways(images, seed, limit):
    """The same images without any limit, and then with limits, in another order and merged into one another."""
    yield state_of(images)
    yield state_of(images, limit)
    rng = np.random.default_rng(seed)
    order = [images[index] for index in rng.permutation(len(images))]
    parts = [state_of(order[:1]), state_of(order[1:3], limit), state_of(order[3:], 8)]
    first = RankingState(limit)
    for part in parts:
        first.merge(part)
    yield first
    parts[1].merge(parts[0])
    parts[2].merge(parts[1])
    yield parts[2]


KINDS = st.lists(st.sampled_from([np.float16, np.float32, np.float64]), min_size=1, max_size=4)


@given(st.integers(0, 2**32 - 1), LIMITS, KINDS, st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None)
def test_limits_order_and_merging_change_no_bit(seed, limit, kinds, workers):
    first, *others = merged_in_several_ways(random_images(seed, kinds=kinds), seed, limit)
    assert all(state.compute(workers) == first.compute(workers) for state in others)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_tensors_are_ranked_as_they_are(kind):
    # Too large for float16, where they become infinite and tie, but not for bfloat16.
    images = random_images(2, kinds=(np.float64,))
    tensors = [(torch.tensor(scores * 3e4).to(kind), torch.tensor(labels)) for scores, labels in images]
    arrays = [(scores.double().numpy(), labels.numpy()) for scores, labels in tensors]
    ours, expected = state_of(tensors, limit=64), state_of(arrays, limit=64)
    assert ours.compute() == expected.compute()


def test_scores_that_are_no_floating_point_numbers_are_refused():
    for scores in (np.arange(2), torch.arange(2)):
        with pytest.raises(TypeError, match="floating-point"):
            RankingState().update(scores, np.array([INLIER, ANOMALY], np.uint8))


def test_counts_stay_what_they_were_when_the_state_grows():
    state, labels = RankingState(), np.array([ANOMALY, INLIER], np.uint8)
    for score in (1.0, 2.0, 3.0):
        state.update(np.array([score, 0.0], np.float32), labels)
    before = state.counts()
    assert before.thresholds.tolist() == [3.0, 2.0, 1.0]
    state.update(np.array([0.5, 0.0], np.float32), labels)
    assert auroc(state.counts()) == 1.0
    assert before.thresholds.tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(("label", "missing"), [(INLIER, "anomaly"), (ANOMALY, "inlier"), (VOID, "anomaly")])
@pytest.mark.parametrize("method", ["compute", "counts"])
def test_one_sided_labels_are_refused(label, missing, method):
    state = state_of([(np.zeros(3, np.float32), np.full(3, label, np.uint8))])
    with pytest.raises(ValueError, match=f"no {missing} pixel"):
        getattr(state, method)()


def test_a_state_merged_with_itself_counts_every_pixel_twice():
    state = RankingState(memory_limit=8)
    state.update(np.float32([0, 1, 2, 3]), np.uint8([INLIER, INLIER, INLIER, ANOMALY]))
    state.update(np.float32([4, 5, 6, 7]), np.uint8([INLIER, INLIER, INLIER, ANOMALY]))
    once = state.compute()
    state.merge(state)
    twice = state.compute()
    assert (twice.n_inliers, twice.n_anomalies) == (2 * once.n_inliers, 2 * once.n_anomalies)
    assert twice.rates["auroc"] == once.rates["auroc"]
