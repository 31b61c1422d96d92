"""kNN against a slow reference: all distances of each pixel, sorted."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.scores.knn import KNN, kth_distances, unit_length
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from tests.anomaly_eval.scores.labelled_pixels import by_key

CLASSES, DIMENSIONS, GRID, SIZE = 3, 6, (5, 7), (40, 56)
NAMES = ["road", "car", "sky"]


def image(seed):
    """Features beside one another and away from 0, as those behind a ReLU are; one pixel without any."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.repeat(rng.integers(0, CLASSES, GRID), 8, 0), 8, 1).astype(np.uint8)
    label[:16, :24] = VOID
    features = torch.from_numpy(rng.gamma(2, 1, (DIMENSIONS, *GRID)) + label[4::8, 4::8]).float()
    features[:, 4, 6] = 0
    maps = CoarseMaps.covering(features, SIZE)
    return Prediction(CoarseMaps.covering(torch.zeros(CLASSES, *GRID), SIZE), maps), label


def unit(feature):
    length = np.sqrt(sum(float(value) ** 2 for value in feature))
    return np.asarray(feature, np.float64) / (length if length else 1.0)


def reference_bank(seeds, size):
    return by_key({f"frame_{seed}": image(seed) for seed in seeds})[:size]


def fit(seeds, **options):
    (score,) = choose_scores(
        ["knn"], frozenset({"features"}), {f"knn_{name}": value for name, value in options.items()}
    )
    moments = reduce(score.merge, (score.observe(*image(seed), f"frame_{seed}") for seed in seeds))
    return score, score.finish(moments, NAMES)


@pytest.mark.parametrize(("bank", "k"), [(60, 1), (60, 5), (100, 100)])
def test_scores_equal_the_reference(bank, k):
    score, notes = fit(range(5), bank=bank, k=k)
    assert notes == [] and score.name == f"knn_bank_{bank}_k_{k}"
    expected_bank = reference_bank(range(5), bank)
    np.testing.assert_array_equal(score.pixels_.numpy(), expected_bank)
    test, _ = image(11)
    expected = np.empty(GRID)
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            own = unit(test.features.values[:, y, x].numpy())
            expected[y, x] = sorted(np.linalg.norm(own - unit(other)) for other in expected_bank)[k - 1]
    found = score.class_maps(test)
    np.testing.assert_allclose(found.values[0].numpy(), expected, rtol=1e-6)
    assert torch.equal(score_maps(test, [score])[score.name], found.resized()[0])


@given(st.integers(0, 2**31), st.integers(1, 90), st.integers(1, 300), st.floats(1e-6, 1.0), st.data())
@settings(max_examples=60, deadline=None)
def test_the_kth_distance_is_exact_among_neighbours_that_float32_cannot_tell_apart(seed, pixels, size, spread, data):
    k = data.draw(st.integers(1, size))
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(1 + spread * rng.random((4, pixels))).float()
    bank = unit_length(torch.from_numpy(1 + spread * rng.random((size, 4))).float())
    own = unit_length(features.T).numpy()
    distances = np.sort(np.linalg.norm(own[:, None] - bank.numpy(), axis=2), axis=1)
    found = kth_distances(features, bank, k).numpy()
    if spread > 1e-2:
        np.testing.assert_allclose(found, distances[:, k - 1], rtol=1e-9, atol=1e-12)
    else:
        # Which neighbour is measured may be another than the k-th; its distance differs by what float32 loses.
        np.testing.assert_allclose(found**2, distances[:, k - 1] ** 2, atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.random((8, 500))).float()
    bank = unit_length(torch.from_numpy(rng.random((300, 8))).float())
    whole = kth_distances(features, bank, 7)
    for bytes in (1, 20_000, 100_000):
        monkeypatch.setattr("anomaly_eval.scores.knn._BLOCK_BYTES", bytes)
        torch.testing.assert_close(kth_distances(features, bank, 7), whole, rtol=1e-12, atol=0)


def test_few_pixels_are_told_and_too_few_are_refused():
    score, notes = fit([0, 1], bank=1000, k=3)
    assert notes == ["a bank of 58 pixels instead of 1000, as images add at most 1000 each"]
    assert len(score.pixels_) == 58
    with pytest.raises(ValueError, match="it has 29 labelled pixels, and k is 30"):
        fit([0], bank=1000, k=30)


def test_k_is_at_most_the_bank():
    with pytest.raises(InputError, match="no 11th nearest of 10 pixels"):
        KNN.configured(bank=10, k=11)
    with pytest.raises(InputError, match="no 10th nearest of 5 pixels"):
        KNN.configured(bank=5)


def test_statistics_serve_smaller_banks_and_refuse_larger_ones():
    score, _ = fit(range(5), bank=60, k=5)
    smaller, _ = fit(range(5), bank=20, k=3)
    read = KNN.configured(bank=20, k=3)
    read.load_state(score.state())
    assert torch.equal(read.pixels_, smaller.pixels_)
    test, _ = image(11)
    assert torch.equal(score_maps(test, [read])[read.name], score_maps(test, [smaller])[read.name])
    with pytest.raises(InputError, match="hold a bank of 60 pixels for knn, and 61 are asked for; give --knn-bank 60"):
        KNN.configured(bank=61).load_state(score.state())
    few, _ = fit([0], bank=60, k=5)
    with pytest.raises(InputError, match="hold 29 pixels for knn; give --knn-k of 29 or less"):
        KNN.configured(bank=60, k=30).load_state(few.state())
