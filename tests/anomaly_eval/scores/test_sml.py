"""SML against a slow reference that walks over every pixel."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from anomaly_eval.scores import score_maps
from anomaly_eval.scores.boundaries import class_boundaries, smooth, suppress_boundaries, widen
from anomaly_eval.scores.sml import SML
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps

SQUARE = np.ones((3, 3), bool)
CROSS = ndimage.generate_binary_structure(2, 1)


def reference_boundaries(labels):
    largest, smallest = labels.max() + 1, labels.min() - 1
    dilated = ndimage.grey_dilation(labels, footprint=CROSS, mode="constant", cval=smallest)
    eroded = ndimage.grey_erosion(labels, footprint=SQUARE, mode="constant", cval=largest)
    return dilated != eroded


def reference_suppression(score, labels):
    base = reference_boundaries(labels)
    height, width = score.shape
    for steps in (3, 2, 1, 0):
        boundary = ndimage.binary_dilation(base, CROSS, iterations=steps) if steps else base
        result = score.copy()
        for y, x in zip(*np.nonzero(boundary), strict=True):
            inside = []
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    v, u = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                    if not boundary[v, u]:
                        inside.append(score[v, u])
            if inside:
                result[y, x] = sum(inside) / len(inside)
        score = result
    return score


def reference_smoothing(score):
    kernel = np.array([[math.exp(-(y * y + x * x) / 2) for x in range(-3, 4)] for y in range(-3, 4)])
    kernel /= kernel.sum()
    padded = np.pad(score, 18, mode="edge")
    result = np.zeros_like(score)
    for y in range(score.shape[0]):
        for x in range(score.shape[1]):
            result[y, x] = (kernel * padded[y : y + 37 : 6, x : x + 37 : 6]).sum()
    return result


def blobs(seed, shape=(40, 52), classes=5):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((classes, *shape)), (0, 4, 4))
    return noise.argmax(axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_boundaries_are_dilation_unlike_erosion(seed):
    labels = blobs(seed)
    boundary = class_boundaries(torch.from_numpy(labels).to(torch.int16))
    np.testing.assert_array_equal(boundary.numpy(), reference_boundaries(labels))
    assert 0 < boundary.sum() < boundary.numel()
    wider = ndimage.binary_dilation(reference_boundaries(labels), CROSS)
    np.testing.assert_array_equal(widen(boundary).numpy(), wider)


@pytest.mark.parametrize("seed", range(4))
def test_suppression_equals_the_pixel_by_pixel_reference(seed):
    labels = blobs(seed)
    score = np.random.default_rng(seed).standard_normal(labels.shape)
    got = suppress_boundaries(torch.from_numpy(score), torch.from_numpy(labels))
    np.testing.assert_allclose(got.numpy(), reference_suppression(score, labels), atol=1e-12)


def test_suppression_leaves_one_class_alone_and_survives_nothing_but_boundary():
    score = torch.randn(9, 9, dtype=torch.float64)
    assert torch.equal(suppress_boundaries(score, torch.zeros(9, 9, dtype=torch.int16)), score)
    checkers = torch.arange(81).reshape(9, 9) % 2
    assert torch.equal(suppress_boundaries(score, checkers), score)


@pytest.mark.parametrize("shape", [(23, 31), (5, 60), (1, 1)])
def test_smoothing_equals_the_dilated_kernel(shape):
    score = np.random.default_rng(5).standard_normal(shape)
    got = smooth(torch.from_numpy(score))
    np.testing.assert_allclose(got.numpy(), reference_smoothing(score), atol=1e-12)


def prediction(seed, size=(40, 52), classes=4):
    values = np.random.default_rng(seed).standard_normal((classes, 5, 7)) * 3 + 5
    return Prediction(CoarseMaps.covering(torch.from_numpy(values).float(), size))


def reference_statistics(predictions, classes):
    logits = np.concatenate([p.logits.resized().numpy().reshape(classes, -1) for p in predictions], axis=1)
    predicted, largest = logits.argmax(axis=0), logits.max(axis=0).astype(np.float64)
    return [(largest[predicted == c].mean(), largest[predicted == c].std(ddof=1)) for c in range(classes)]


def fitted(predictions, **steps):
    score = SML(**steps)
    moments = reduce(score.merge, (score.observe(one, np.zeros(one.size, np.uint8), "id") for one in predictions))
    assert score.finish(moments, ["a", "b", "c", "d"]) == []
    return score


def test_whole_score_equals_the_reference():
    training, test = [prediction(seed) for seed in (1, 2, 3)], prediction(9)
    score = fitted(training)
    statistics = reference_statistics(training, 4)
    np.testing.assert_allclose(score.mean_.numpy(), [mean for mean, _ in statistics], rtol=1e-9)
    np.testing.assert_allclose(score.deviation_.numpy(), [deviation for _, deviation in statistics], rtol=1e-6)
    logits = test.logits.resized().numpy().astype(np.float64)
    predicted, largest = logits.argmax(axis=0), logits.max(axis=0)
    mean = np.array([mean for mean, _ in statistics])[predicted]
    deviation = np.array([deviation for _, deviation in statistics])[predicted]
    expected = reference_smoothing(reference_suppression(-(largest - mean) / deviation, predicted))
    np.testing.assert_allclose(score_maps(test, [score])["sml"].numpy(), expected, atol=2e-5)


def test_each_step_can_be_switched_off_and_is_named():
    training, test = [prediction(seed) for seed in (1, 2, 3)], prediction(9)
    bare = fitted(training, suppress=False, smoothing=False)
    assert bare.name == "sml_without_suppression_smoothing"
    plain = score_maps(test, [bare])[bare.name]
    suppressed = fitted(training, smoothing=False)
    predicted = test.logits.resized().argmax(dim=0)
    torch.testing.assert_close(
        score_maps(test, [suppressed])["sml_without_smoothing"], suppress_boundaries(plain, predicted)
    )
    raw = SML(standardise=False, suppress=False, smoothing=False)
    assert raw.fitted
    torch.testing.assert_close(score_maps(test, [raw])[raw.name], -test.logits.resized().amax(dim=0))


def test_a_class_never_predicted_takes_the_pooled_statistics_and_is_named():
    values = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    values[2] -= 100
    score = SML()
    moments = score.observe(Prediction(CoarseMaps.covering(values, (16, 16))), np.zeros((16, 16), np.uint8), "id")
    notes = score.finish(moments, ["road", "car", "train"])
    assert len(notes) == 1 and notes[0].endswith(": train")
    largest = CoarseMaps.covering(values, (16, 16)).resized().amax(dim=0).double()
    assert score.mean_[2].item() == pytest.approx(largest.mean().item(), rel=1e-9)
    assert score.deviation_[2].item() == pytest.approx(largest.std().item(), rel=1e-6)


def test_a_class_without_spread_keeps_its_mean():
    values = torch.full((2, 2, 8), -5.0)
    values[0, :, :4] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    values[1, :, 4:] = 7.0
    score = SML()
    moments = score.observe(Prediction(CoarseMaps.covering(values, (2, 8))), np.zeros((2, 8), np.uint8), "id")
    notes = score.finish(moments, ["road", "sky"])
    assert notes == ["predicted with one value only, pooled deviation used: sky"]
    assert score.mean_.tolist() == [2.5, 7.0]
    assert score.deviation_[1].item() == pytest.approx(values.amax(dim=0).double().std().item())


def test_a_class_without_spread_stays_one_wherever_its_images_come_from():
    """Sums about the origins of several images leave a rest of rounding, which is no spread."""
    score, size = SML(), (16, 16)
    generator = torch.Generator().manual_seed(1)
    first = torch.full((3, *size), -50.0)
    first[0] = torch.rand(size, generator=generator) * 10
    first[2, 3, 4] = 12.3
    second = torch.full((3, *size), -50.0)
    second[1] = 7.3
    images = [Prediction(CoarseMaps.covering(values, size)) for values in (second, first, second, second)]
    moments = reduce(score.merge, (score.observe(one, np.zeros(size, np.uint8), "id") for one in images))
    assert score.finish(moments, ["road", "sky", "car"]) == [
        "predicted with one value only, pooled deviation used: sky, car"
    ]
    assert score.mean_[1:].tolist() == pytest.approx([7.3, 12.3], rel=1e-7)
    assert torch.isfinite(score.deviation_).all()


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from([1e-3, 1.0, 1e3]), st.floats(-1e3, 1e3))
def test_moments_of_images_are_those_of_all_pixels(seed, images, scale, offset):
    """Against loops over classes, with classes of one pixel, without any, and of one value."""
    rng, classes = np.random.default_rng(seed), 5
    values = rng.standard_normal((images, classes, 6, 7)) * scale + offset
    values[:, 3] = -1e6
    values[:, 4] = np.where(rng.random((images, 6, 7)) < 0.3, offset + 10 * scale, -1e6)
    predictions = [Prediction(CoarseMaps.covering(torch.from_numpy(one).float(), (6, 7))) for one in values]
    score = SML()
    notes = score.finish(
        reduce(score.merge, (score.observe(one, np.zeros((6, 7), np.uint8), "id") for one in predictions)),
        list("abcde"),
    )
    logits = torch.stack([one.logits.resized() for one in predictions]).transpose(0, 1).flatten(1).double().numpy()
    predicted, largest = logits.argmax(axis=0), logits.max(axis=0)
    for number in range(classes):
        own = largest[predicted == number]
        several = len(own) > 1 and own.min() < own.max()
        source = own if several else largest
        mean = own.mean() if len(own) else largest.mean()
        rounding = 1e-12 * (scale + abs(offset))
        np.testing.assert_allclose(score.mean_[number], mean, rtol=1e-12, atol=rounding)
        np.testing.assert_allclose(score.deviation_[number], source.std(ddof=1), rtol=1e-6)
    assert any("d" in note.split(": ")[1] for note in notes if note.startswith("never predicted"))


def test_logits_all_the_same_cannot_be_standardised():
    score = SML()
    moments = score.observe(
        Prediction(CoarseMaps.covering(torch.zeros(2, 4, 4), (4, 4))), np.zeros((4, 4), np.uint8), "id"
    )
    with pytest.raises(ValueError, match="all the same"):
        score.finish(moments, ["road", "sky"])


def test_state_survives_saving():
    score = fitted([prediction(1), prediction(2)])
    other = SML()
    assert not other.fitted
    other.load_state(score.state())
    assert other.fitted
    assert torch.equal(score_maps(prediction(9), [other])["sml"], score_maps(prediction(9), [score])["sml"])
