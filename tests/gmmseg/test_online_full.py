"""Whole covariances that are learnt online: by hand, beside a batch fit, resumed, and in a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.full_covariance import FullMixtures, full_log_density
from gmmseg.heads import GMMSegHead
from gmmseg.mixtures import FullClassMixtures
from gmmseg.online_full import OnlineFullEM, regularise
from gmmseg.settings import MixtureSettings
from tests.gmmseg.learners import CLASSES, DIMENSIONS, batch, rows

WHOLE = {
    "covariance": "full",
    "components": 1,
    "dimensions": DIMENSIONS,
    "projection": "none",
    "normalisation": "none",
    "covariance_shrinkage": 0.25,
    "covariance_floor": 0.5,
}

HEAD = {
    "in_channels": DIMENSIONS,
    "channels": DIMENSIONS,
    "num_classes": CLASSES,
    "num_convs": 0,
    "concat_input": False,
    "dropout_ratio": 0.0,
    "norm_cfg": {"type": "BN"},
    "align_corners": False,
}


def learner(**changes: Any) -> OnlineFullEM:
    torch.manual_seed(0)
    settings = MixtureSettings.from_config({**WHOLE, **changes})
    return OnlineFullEM(FullClassMixtures(CLASSES, settings.components, DIMENSIONS), settings)


def covariance_of(em: OnlineFullEM) -> Tensor:
    factors = torch.linalg.inv(em.mixtures.whitening.double())
    return factors @ factors.transpose(2, 3)


def test_regularised_covariances_by_hand() -> None:
    given = torch.tensor([[[[4.0, 2], [2, 6]]], [[[2.0, 0], [0, 4]]], [[[9.0, 9], [9, 9]]]], dtype=torch.float64)
    learnt = torch.tensor([[True], [True], [False]])
    found = regularise(given, learnt, shrinkage=0.5, floor=0.25)
    # The mean of the first two is [[3, 1], [1, 5]], whose mean variance is 4: the floor adds 1.
    expected = [[[3.5 + 1, 1.5], [1.5, 5.5 + 1]], [[2.5 + 1, 0.5], [0.5, 4.5 + 1]], [[3.0 + 1, 1], [1, 5.0 + 1]]]
    torch.testing.assert_close(found[:, 0], torch.tensor(expected, dtype=torch.float64))


def test_two_steps_of_one_gaussian_a_class_are_numpys_mean_and_covariance_averaged() -> None:
    em = learner(momentum_means=0.9, momentum_deviations=0.9, pixels_per_class_and_image=1000)
    means, spreads = [], []
    for seed in (1, 2):
        features, labels, correct = batch(seed)
        em.step(features, labels, correct, seed)
        own = [rows(features)[labels.flatten() == label].double().numpy() for label in range(CLASSES)]
        means.append(np.stack([pixels.mean(axis=0) for pixels in own]))
        spreads.append(own)
    # The first step replaces, the second has a momentum of 1/2.
    expected = (means[0] + means[1]) / 2
    np.testing.assert_allclose(em.mixtures.means[:, 0].numpy(), expected, rtol=1e-5, atol=1e-6)
    first = np.stack([np.cov(pixels.T, bias=True) for pixels in spreads[0]])
    apart = [pixels - expected[label] for label, pixels in enumerate(spreads[1])]
    second = np.stack([part.T @ part / len(part) for part in apart])
    kept = torch.from_numpy((first + second) / 2)
    assert em.covariances is not None
    torch.testing.assert_close(em.covariances[:, 0], kept, rtol=1e-5, atol=1e-6)
    wanted = regularise(kept[:, None], torch.ones(CLASSES, 1, dtype=torch.bool), 0.25, 0.5)
    torch.testing.assert_close(covariance_of(em), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("assignment", ["sinkhorn", "vanilla"])
def test_two_gaussians_settle_on_the_two_groups_of_each_class(assignment: str) -> None:
    forgetting = dict.fromkeys(("momentum_means", "momentum_deviations", "momentum_weights"), 0.9)
    em = learner(components=2, assignment=assignment, covariance_shrinkage=0.0, covariance_floor=0.01, **forgetting)
    centres = 2 * torch.randn(CLASSES, 2, DIMENSIONS, generator=torch.Generator().manual_seed(50))
    em.mixtures.means.copy_(centres + 0.5)
    for iteration in range(60):
        em.step(*batch(iteration), iteration)
    torch.testing.assert_close(em.mixtures.means, centres, rtol=0, atol=0.1)
    expected = 0.09 * torch.eye(DIMENSIONS).double().expand(CLASSES, 2, -1, -1)
    torch.testing.assert_close(covariance_of(em), expected, rtol=0, atol=0.02)
    torch.testing.assert_close(em.mixtures.weights, torch.full((CLASSES, 2), 0.5), rtol=0, atol=0.05)


def test_a_class_that_never_came_is_not_known_and_has_the_mean_covariance() -> None:
    em = learner()
    em.step(*batch(0, classes=(0, 2)), 0)
    assert em.mixtures.known.tolist() == [True, False, True]
    assert em.covariances is not None
    mean = em.covariances[[0, 2]].mean(dim=0)
    wanted = mean + 0.5 * mean[0].diagonal().mean() * torch.eye(DIMENSIONS)
    torch.testing.assert_close(covariance_of(em)[1], wanted, rtol=1e-4, atol=1e-5)


def test_a_resumed_learner_goes_on_with_the_same_bits() -> None:
    straight, first, second = learner(components=2), learner(components=2), learner(components=2)
    for iteration in range(4):
        straight.step(*batch(iteration), iteration)
    for iteration in range(2):
        first.step(*batch(iteration), iteration)
    second.mixtures.load_state_dict(first.mixtures.state_dict())
    second.load_training_state(first.training_state())
    for iteration in range(2, 4):
        second.step(*batch(iteration), iteration)
    for name, value in straight.mixtures.state_dict().items():
        assert torch.equal(value, second.mixtures.state_dict()[name]), name


def test_mixtures_that_come_without_running_moments_go_on_from_their_covariances() -> None:
    first, second = learner(covariance_floor=1e-9, covariance_shrinkage=0.0), learner()
    first.step(*batch(0), 0)
    second.mixtures.load_state_dict(first.mixtures.state_dict())
    assert first.covariances is not None
    torch.testing.assert_close(second._kept_covariances(), first.covariances, rtol=1e-3, atol=1e-4)


def test_features_without_any_spread_end_in_a_sentence() -> None:
    features, labels, correct = batch(0)
    with pytest.raises(InputError, match="iteration 7 the features have no spread"):
        learner().step(torch.zeros_like(features), labels, correct, 7)


def test_only_covariances_warm_up_where_the_settings_say_so() -> None:
    em = learner(momentum_warmup="deviations", momentum_means=0.75)
    before = em.mixtures.means.clone()
    features, labels, _ = batch(0)
    em.step(*batch(0), 0)
    means = torch.stack([rows(features)[labels.flatten() == label].mean(dim=0) for label in range(CLASSES)])
    torch.testing.assert_close(em.mixtures.means[:, 0], 0.75 * before[:, 0] + 0.25 * means, rtol=1e-4, atol=1e-5)


def test_all_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="set the mixture's pixels_per_class_and_image"):
        learner(pixels_per_class_and_image=None).step(*batch(0), 0)


def test_a_classifier_learns_and_its_gradient_is_that_of_the_densities_it_gave() -> None:
    torch.manual_seed(1)
    settings = MixtureSettings.from_config(WHOLE)
    model = GMMClassifier(DIMENSIONS, CLASSES, settings, dropout=0.0).train()
    for seed in (3, 4):
        features, labels, _ = batch(seed)
        labels = labels.masked_fill(labels < 0, 255)
        given = features.clone().requires_grad_()
        before = {name: value.clone() for name, value in model.mixtures.state_dict().items()}
        loss = functional.cross_entropy(model(given), labels, ignore_index=255)
        model.learn(labels)
        loss.backward()
    assert not torch.equal(before["whitening"], model.mixtures.whitening)
    again = GMMClassifier(DIMENSIONS, CLASSES, settings, dropout=0.0)
    again.mixtures.load_state_dict(before)
    expected = features.clone().requires_grad_()
    functional.cross_entropy(again.eval()(expected), labels, ignore_index=255).backward()
    torch.testing.assert_close(given.grad, expected.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_the_loss_looks_at_labels_where_it_looked_at_features(size: tuple[int, int]) -> None:
    """Features that hold their own label as a number: after thinning both, each pixel still agrees."""
    settings = dict(WHOLE, loss_stride=3, dimensions=2)
    head = GMMSegHead("FCNHead", settings, **(HEAD | dict(in_channels=2, channels=2))).train()
    labels = torch.randint(CLASSES, (1, 1, *size), generator=torch.Generator().manual_seed(0))
    features = torch.cat([labels.float(), torch.zeros_like(labels).float()], dim=1)
    shapes = set()
    for seed in range(9):
        torch.manual_seed(seed)
        logits = head.conv_seg(features)
        thin = head.conv_seg.labels_of_loss(labels)
        assert logits.shape[2:] == thin.shape[2:]
        shapes.add(tuple(thin.shape[2:]))
        corner = head.conv_seg._corner
        assert torch.equal(head.conv_seg._thin(features)[:, :1].long(), thin)
        assert torch.equal(thin[0, 0, 0, 0], labels[0, 0, corner[0], corner[1]])
    assert len(shapes) > 1
    head.conv_seg.learn(labels[:, 0])
    assert head.conv_seg.mixtures.known.all()


def test_the_loss_of_a_head_is_the_cross_entropy_of_the_thinned_pixels() -> None:
    torch.manual_seed(2)
    head = GMMSegHead("FCNHead", dict(WHOLE, loss_stride=3), **HEAD).train()
    labels = torch.randint(CLASSES, (1, 1, 8, 8))
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels[0]))
    logits = head.forward([torch.randn(1, DIMENSIONS, 8, 8)])
    thin = labels[:, 0, head.conv_seg._corner[0] :: 3, head.conv_seg._corner[1] :: 3]
    assert logits.shape[2:] == thin.shape[1:] != labels.shape[2:]
    expected = functional.cross_entropy(logits, thin)
    torch.testing.assert_close(head.loss_by_feat(logits, [sample])["loss_ce"], expected)


def test_the_margin_looks_at_the_thinned_pixels_and_the_softmax_loss_at_all() -> None:
    settings = {
        **WHOLE,
        "loss_stride": 2,
        "margin_loss_weight": 1.0,
        "margin_temperature": 3.0,
        "softmax_loss_weight": 1,
    }
    torch.manual_seed(0)
    model = GMMClassifier(DIMENSIONS, CLASSES, MixtureSettings.from_config(settings), dropout=0.0).train()
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, DIMENSIONS, 7, 9, generator=generator)
    labels = torch.randint(CLASSES, (2, 7, 9), generator=generator)
    model(features)
    model.learn(labels)
    logits = model(features)
    softmax = model.softmax(features) if model.softmax is not None else logits
    losses = model.learn(labels)
    top, left = model._corner
    thinned = labels[:, top::2, left::2]
    assert logits.shape[2:] == thinned.shape[1:]
    torch.testing.assert_close(losses["loss_margin"], functional.cross_entropy(logits / 3, thinned))
    torch.testing.assert_close(losses["loss_softmax"], functional.cross_entropy(softmax, labels))


@pytest.mark.parametrize("architecture", ["EncHead", "DAHead"])
def test_architectures_with_losses_of_their_own_look_at_all_pixels(architecture: str) -> None:
    with pytest.raises(InputError, match=r"look at all pixels: mixture\.loss_stride=1"):
        GMMSegHead(architecture, dict(WHOLE, loss_stride=2), **HEAD)


def test_flat_gaussians_are_evaluated_in_double_precision_whatever_was_before() -> None:
    """A spread of a millionth along one direction, which float32 cannot tell from none."""
    mixtures = FullClassMixtures(1, 1, 2).eval()
    features = torch.tensor([[1000.0, 1000.0 + 2e-3]]).reshape(1, 2, 1, 1)
    mixtures(features)
    other = FullClassMixtures(1, 1, 2)
    spread = torch.tensor([[[[1.0, 1.0 - 1e-8], [1.0 - 1e-8, 1.0]]]], dtype=torch.float64)
    other.replace_full(FullMixtures(torch.zeros(1, 1, 2), spread, torch.ones(1, 1)))
    mixtures.load_state_dict(other.state_dict())
    exact = full_log_density(features.reshape(1, 2), mixtures.means[0], mixtures.whitening[0])
    torch.testing.assert_close(mixtures(features).double().flatten(), exact.flatten(), rtol=0, atol=0.05)
    rounded = full_log_density(features.reshape(1, 2), mixtures.means[0], mixtures.whitening[0], dtype=torch.float32)
    assert abs(float(rounded - exact)) > 1


def test_labels_of_another_size_are_brought_to_the_grid_first() -> None:
    model = GMMClassifier(DIMENSIONS, CLASSES, MixtureSettings.from_config(WHOLE | {"loss_stride": 2}), dropout=0.0)
    model.train()(torch.randn(1, DIMENSIONS, 4, 6))
    labels = torch.arange(4 * 6).reshape(1, 4, 6)
    fine = labels.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    top, left = model._corner
    assert torch.equal(model.labels_of_loss(fine), labels[:, top::2, left::2])


@pytest.mark.parametrize(
    "field", [{"component_loss_weight": 0.1, "pixels_per_class_and_image": None}, {"only_correct": True}]
)
def test_what_looks_at_all_pixels_cannot_skip_any(field: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="loss_stride=1"):
        MixtureSettings.from_config({"loss_stride": 2, **field})
