"""ViM against a slow reference: the paper's steps in numpy, over pixels that are listed one by one."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import torch

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.scores.base import ClassStatistics
from anomaly_eval.scores.vim import ViM, usual_dimensions
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.linear_classifier import LinearClassifier
from tests.anomaly_eval.scores.labelled_pixels import by_key

CLASSES, DIMENSIONS, GRID, SIZE = 4, 9, (5, 7), (40, 56)
NAMES = ["road", "car", "sky", "train"]
PROVIDES = frozenset({"logits", "features", "classifier"})


def classifier(bias=1.0):
    rng = np.random.default_rng(7)
    weight = torch.from_numpy(rng.standard_normal((CLASSES, DIMENSIONS))).float()
    return LinearClassifier(weight, torch.from_numpy(rng.standard_normal(CLASSES)).float() * bias + bias)


def image(seed, dead=0):
    """Features that vary far more in some directions than in others, away from 0."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((DIMENSIONS, DIMENSIONS)) * np.linspace(3, 0.1, DIMENSIONS)
    label = np.repeat(np.repeat(rng.integers(0, CLASSES, GRID), 8, 0), 8, 1).astype(np.uint8)
    label[:16, :24] = VOID
    features = torch.from_numpy(np.einsum("ij,jyx->iyx", mixing, rng.standard_normal((DIMENSIONS, *GRID))) + 2).float()
    features[:dead] = 0
    layer = classifier()
    logits = torch.einsum("cd,dyx->cyx", layer.weight, features) + layer.bias[:, None, None]
    return Prediction(CoarseMaps.covering(logits, SIZE), CoarseMaps.covering(features, SIZE), classifier=layer), label


def labelled(seeds):
    return [feature.astype(np.float64) for feature in by_key({f"frame_{seed}": image(seed) for seed in seeds})]


def fit(seeds, dead=0, **options):
    (score,) = choose_scores(["vim"], PROVIDES, options)
    moments = reduce(score.merge, (score.observe(*image(seed, dead), f"frame_{seed}") for seed in seeds))
    return score, score.finish(moments, NAMES)


@pytest.mark.parametrize(("options", "dimensions"), [({}, 4), ({"vim_dimensions": 1}, 1), ({"vim_dimensions": 8}, 8)])
def test_scores_equal_the_reference(options, dimensions, monkeypatch):
    monkeypatch.setattr("anomaly_eval.scores.vim._SAMPLE", 50)
    score, notes = fit(range(5), **options)
    assert notes == []
    training = np.array(labelled(range(5)))
    weight, bias = classifier().weight.double().numpy(), classifier().bias.double().numpy()
    origin = -np.linalg.pinv(weight) @ bias
    values, vectors = np.linalg.eigh((training - origin).T @ (training - origin) / len(training))
    residual = vectors[:, np.argsort(-values)[dimensions:]]
    sample = training[:50]
    largest = np.mean([max(weight @ feature + bias) for feature in sample])
    alpha = largest / np.mean([np.linalg.norm((feature - origin) @ residual) for feature in sample])
    test, _ = image(11)
    found = score.class_maps(test).values
    for y in range(GRID[0]):
        for x in range(GRID[1]):
            feature = test.features.values[:, y, x].double().numpy()
            logits = [*(weight @ feature + bias), alpha * np.linalg.norm((feature - origin) @ residual)]
            np.testing.assert_allclose(found[:, y, x].numpy(), logits, rtol=2e-6, atol=1e-5)
            probability = np.exp(logits[-1]) / np.exp(logits).sum()
            odds = torch.sigmoid(score.reduce(ClassStatistics(found[:, y, x])).double()).item()
            assert odds == pytest.approx(probability, rel=1e-5)


def test_several_pixels_of_one_feature_have_weights_of_their_own(monkeypatch):
    """The steps of the paper with the weights of all four pixels below each other, listed pixel by pixel."""
    monkeypatch.setattr("anomaly_eval.scores.vim._SAMPLE", 50)
    rng = np.random.default_rng(5)
    weight, bias = rng.standard_normal((CLASSES, 2, 2, DIMENSIONS)), rng.standard_normal((CLASSES, 2, 2)) + 1
    weight, bias = weight.astype(np.float32).astype(float), bias.astype(np.float32).astype(float)
    stacked, offsets = weight.reshape(-1, DIMENSIONS), bias.reshape(-1)
    layer = LinearClassifier(torch.from_numpy(stacked).float(), torch.from_numpy(offsets).float(), 2)
    score = ViM()
    images = [image(seed) for seed in range(5)]
    given = [(Prediction(one.logits, one.features, classifier=layer), label) for one, label in images]
    score.finish(reduce(score.merge, (score.observe(*one, f"frame_{at}") for at, one in enumerate(given))), NAMES)
    training = np.array(labelled(range(5)))
    origin = -np.linalg.pinv(stacked) @ offsets
    values, vectors = np.linalg.eigh((training - origin).T @ (training - origin) / len(training))
    residual = vectors[:, np.argsort(-values)[4:]]
    # A mean over all pixels of logits.
    largest = np.mean([(weight @ feature + bias).max(axis=0) for feature in training[:50]])
    alpha = largest / np.mean([np.linalg.norm((feature - origin) @ residual) for feature in training[:50]])
    test, _ = image(11)
    maps = score.class_maps(Prediction(test.logits, test.features, classifier=layer))
    assert maps.values.shape == (CLASSES + 1, 2 * GRID[0], 2 * GRID[1]) and maps.extent == test.features.extent
    for y in range(2 * GRID[0]):
        for x in range(2 * GRID[1]):
            feature = test.features.values[:, y // 2, x // 2].double().numpy()
            logits = weight[:, y % 2, x % 2] @ feature + bias[:, y % 2, x % 2]
            virtual = alpha * np.linalg.norm((feature - origin) @ residual)
            np.testing.assert_allclose(maps.values[:, y, x].numpy(), [*logits, virtual], rtol=3e-6, atol=1e-5)


def test_logits_are_resized_before_their_sum():
    score, _ = fit(range(5))
    test, _ = image(11)
    resized = score.class_maps(test).resized().double()
    expected = resized[-1] - torch.logsumexp(resized[:-1], dim=0)
    torch.testing.assert_close(score_maps(test, [score])["vim"].double(), expected, rtol=1e-5, atol=1e-5)


def test_the_order_of_images_changes_the_last_bits_alone():
    one, _ = fit(range(5))
    other, _ = fit([3, 1, 4, 0, 2])
    for name, values in one.state().items():
        if name != "directions":
            torch.testing.assert_close(other.state()[name], values, rtol=1e-9, atol=1e-9)


def test_dead_channels_are_left_out_and_told():
    """Of five, one direction remains: that from the origin, which lies aside, to where they are zero."""
    score, notes = fit(range(5), dead=5)
    assert notes == ["4 of 9 feature directions hold nothing and were left out"]
    test, _ = image(11, dead=5)
    assert score.class_maps(test).values.isfinite().all()
    with pytest.raises(InputError, match="--vim-dimensions 5 leaves nothing of the 5 directions that features of"):
        fit(range(5), dead=5, vim_dimensions=5)


def test_statistics_serve_any_dimensions():
    score, _ = fit(range(5))
    wider, _ = fit(range(5), vim_dimensions=6)
    read = ViM.configured(dimensions=6)
    read.load_state(score.state())
    test, _ = image(11)
    assert torch.equal(score_maps(test, [read])[read.name], score_maps(test, [wider])[read.name])
    wide = ViM.configured(dimensions=9)
    wide.load_state(score.state())
    with pytest.raises(InputError, match="--vim-dimensions 9 leaves nothing of the 9 directions"):
        score_maps(test, [wide])


def test_the_usual_dimensions_are_the_papers():
    assert [usual_dimensions(count) for count in (256, 767, 768, 2047, 2048)] == [128, 383, 512, 512, 1000]


def test_logits_without_a_scale_are_refused():
    score = ViM()
    prediction, label = image(0)
    layer = LinearClassifier(torch.zeros(CLASSES, DIMENSIONS), torch.full((CLASSES,), -1.0))
    moments = score.observe(Prediction(prediction.logits, prediction.features, classifier=layer), label, "0")
    with pytest.raises(ValueError, match="the largest logit is negative on average"):
        score.finish(moments, NAMES)
    assert not score.fitted


def test_a_network_without_a_linear_last_layer_is_refused_by_name():
    with pytest.raises(InputError, match="'vim' needs features and a linear last layer, which this network does not"):
        choose_scores(["vim"], frozenset({"logits", "features", "log_density"}))
    prediction, label = image(0)
    with pytest.raises(ValueError, match="no features and linear classifier, which vim needs"):
        ViM().observe(Prediction(prediction.logits, prediction.features), label, "0")
