"""Mahalanobis against a slow reference: loops over classes and pixels, an explicit inverse."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance

from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores import score_maps
from anomaly_eval.scores.mahalanobis import (
    Mahalanobis,
    class_distances,
    feature_moments,
    merged_feature_moments,
    sample_label,
    tied_statistics,
    whitening_of,
)
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps

CLASSES, DIMENSIONS, GRID, SIZE = 4, 6, (5, 7), (40, 56)
NAMES = ["road", "car", "sky", "train"]


def image(seed, offset=100.0):
    """Features whose mean is far from zero beside their spread, so that careless moments cancel."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((DIMENSIONS, DIMENSIONS))
    label = np.repeat(np.repeat(rng.integers(0, CLASSES, GRID), 8, 0), 8, 1).astype(np.uint8)
    label[rng.random(SIZE) < 0.05] = VOID
    features = np.einsum("ij,jyx->iyx", mixing, rng.standard_normal((DIMENSIONS, *GRID))) + offset
    features += label[4::8, 4::8] * (label[4::8, 4::8] != VOID)
    features = torch.from_numpy(features).float()
    logits = CoarseMaps.covering(torch.zeros(CLASSES, *GRID), SIZE)
    return Prediction(logits, CoarseMaps.covering(features, SIZE)), label


def reference_fit(images):
    """Means and tied covariance, pixel by pixel in float64."""
    pixels = {c: [] for c in range(CLASSES)}
    for prediction, label in images:
        for y in range(GRID[0]):
            for x in range(GRID[1]):
                c = label[8 * y + 4, 8 * x + 4]
                if c != VOID:
                    pixels[int(c)].append(prediction.features.values[:, y, x].double().numpy())
    means = np.array([np.mean(pixels[c], axis=0) for c in range(CLASSES)])
    centred = np.concatenate([np.array(pixels[c]) - means[c] for c in range(CLASSES)])
    return means, centred.T @ centred / len(centred)


def fit(images):
    score = Mahalanobis()
    moments = reduce(score.merge, (score.observe(prediction, label, "id") for prediction, label in images))
    return score, score.finish(moments, NAMES)


def test_statistics_and_distances_equal_the_reference():
    training = [image(seed) for seed in range(6)]
    score, notes = fit(training)
    assert notes == []
    means, covariance = reference_fit(training)
    np.testing.assert_allclose(score.means_.numpy(), means, rtol=1e-12)
    inverse = score.whitening_.T @ score.whitening_
    np.testing.assert_allclose(inverse.numpy(), np.linalg.inv(covariance), rtol=1e-8, atol=1e-8)
    test, _ = image(11)
    expected = np.empty(GRID)
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            feature = test.features.values[:, y, x].double().numpy()
            expected[y, x] = min((feature - mean) @ np.linalg.solve(covariance, feature - mean) for mean in means)
    distances = class_distances(test.features.values.flatten(1), score.means_, score.whitening_)
    np.testing.assert_allclose(distances.amin(dim=0).reshape(GRID).numpy(), expected, rtol=1e-8)


def test_class_distances_are_resized_before_the_minimum():
    score, _ = fit([image(seed) for seed in range(6)])
    test, _ = image(11)
    distances = class_distances(test.features.values.flatten(1), score.means_, score.whitening_)
    maps = CoarseMaps.covering(distances.float().reshape(-1, *GRID), SIZE)
    assert torch.equal(score_maps(test, [score])["mahalanobis"], maps.resized().amin(dim=0))


def test_directions_without_variance_are_left_out_as_by_the_pseudo_inverse():
    rng = np.random.default_rng(3)
    data = rng.standard_normal((200, 4)) @ np.diag([1, 2, 3, 0.0])
    data[:, 2] = data[:, 0] - data[:, 1]
    reference = EmpiricalCovariance().fit(data)
    whitening = whitening_of(torch.from_numpy(reference.covariance_))
    assert whitening.shape == (2, 4)
    np.testing.assert_allclose((whitening.T @ whitening).numpy(), reference.precision_, atol=1e-10)


def test_dead_channels_and_absent_classes_are_told():
    images = []
    for seed in range(4):
        prediction, label = image(seed)
        prediction.features.values[2] = 0
        label[label == 3] = VOID
        images.append((prediction, label))
    score, notes = fit(images)
    assert score.means_.shape == (3, DIMENSIONS)
    assert score.whitening_.shape == (DIMENSIONS - 1, DIMENSIONS)
    assert notes == [
        "no labelled pixel in the fitting set, class left out: train",
        "1 of 6 feature directions do not vary and were left out",
    ]


def test_nothing_labelled_is_refused():
    prediction, label = image(0)
    score = Mahalanobis()
    moments = score.observe(prediction, np.full_like(label, VOID), "id")
    with pytest.raises(ValueError, match="no labelled pixel"):
        score.finish(score.merge(moments, moments), NAMES)


def test_images_without_labels_change_nothing():
    images = [image(seed) for seed in range(2)]
    blank = (image(7)[0], np.full(SIZE, VOID, np.uint8))
    score, _ = fit(images)
    other, _ = fit([blank, *images[:1], blank, *images[1:], blank])
    assert torch.equal(score.means_, other.means_) and torch.equal(score.whitening_, other.whitening_)


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 30), min_size=1, max_size=5), st.floats(-1e4, 1e4))
def test_merged_moments_are_those_of_all_pixels(seed, sizes, offset):
    rng = np.random.default_rng(seed)
    parts = [
        (
            torch.from_numpy(rng.standard_normal((DIMENSIONS, size)) + offset * rng.random()),
            torch.from_numpy(rng.integers(0, CLASSES, size)),
        )
        for size in sizes
    ]
    merged = reduce(merged_feature_moments, (feature_moments(*part, CLASSES) for part in parts))
    whole = feature_moments(*(torch.cat(both, dim=-1) for both in zip(*parts, strict=True)), CLASSES)
    assert torch.equal(merged["count"], whole["count"])
    seen = whole["count"] > 0
    if seen.any():
        (_, means, covariance), (_, all_means, all_covariance) = tied_statistics(merged), tied_statistics(whole)
        np.testing.assert_allclose(means[seen], all_means[seen], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(covariance, all_covariance, rtol=1e-9, atol=1e-13 * (1 + offset**2))


@pytest.mark.parametrize("align_corners", [False, True])
def test_labels_are_sampled_at_cell_centres(align_corners):
    label = np.arange(33 * 49).reshape(33, 49)
    coarse = (np.arange(5) * 8, np.arange(7) * 8) if align_corners else (np.arange(4) * 8 + 4, np.arange(6) * 8 + 4)
    cut = label if align_corners else label[:32, :48]
    maps = CoarseMaps.covering(torch.zeros(1, len(coarse[0]), len(coarse[1])), cut.shape, align_corners)
    np.testing.assert_array_equal(sample_label(cut, maps), cut[np.ix_(*coarse)])


def test_cells_in_the_padding_are_void():
    label = np.zeros((20, 30), np.uint8)
    coarse = sample_label(label, CoarseMaps(torch.zeros(1, 4, 4), (20, 30), (32.0, 32.0)))
    np.testing.assert_array_equal(coarse[:2], 0)
    np.testing.assert_array_equal(coarse[3], VOID)


def test_state_survives_saving():
    score, _ = fit([image(seed) for seed in range(6)])
    other = Mahalanobis()
    other.load_state(score.state())
    test, _ = image(11)
    assert torch.equal(score_maps(test, [other])["mahalanobis"], score_maps(test, [score])["mahalanobis"])
