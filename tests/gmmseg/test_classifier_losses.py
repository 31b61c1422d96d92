"""The losses that a classifier adds to the cross-entropy of its logits, by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.gmmseg.classifiers import CLASSES, batch, classifier, cross_entropy, reference_density, train


def test_the_component_loss_by_hand() -> None:
    model = classifier(preset="official", em_every=1)
    train(model, 2)
    features, labels = batch(7)
    before = copy.deepcopy(model)
    logits = model(features)
    losses = model.learn(labels)
    assert set(losses) == {"loss_component"} and losses["loss_component"].requires_grad

    embedded = before.embed(features)
    joint = reference_density(before, embedded).flatten(1, 2).movedim(1, -1).reshape(-1, 2 * CLASSES)
    own = labels[:, ::2, ::2].clone()
    own[own == 255] = -1
    assert before.em is not None
    targets = before.em.step(embedded.detach(), own, logits.argmax(dim=1) == own, int(before.iteration))
    assert targets is not None
    chosen = targets.flatten() >= 0
    expected = 0.01 * functional.cross_entropy(joint[chosen], targets.flatten()[chosen])
    torch.testing.assert_close(losses["loss_component"].double(), expected, rtol=1e-4, atol=1e-6)


def test_the_margin_and_the_softmax_loss_by_hand() -> None:
    model = classifier(
        learned_temperature=2.0,
        class_prior="frequencies",
        margin_loss_weight=0.5,
        margin_temperature=10.0,
        softmax_loss_weight=0.25,
    )
    train(model, 3)
    features, labels = batch(7)
    before = copy.deepcopy(model)
    logits = model(features)
    losses = model.learn(labels)
    assert set(losses) == {"loss_margin", "loss_softmax"}

    assert before.class_pixels is not None and before.softmax is not None
    shares = ((before.class_pixels + 1) / (before.class_pixels + 1).sum()).log()[:, None, None]
    density = reference_density(before, before.embed(features)).amax(dim=2)
    torch.testing.assert_close(logits.double(), density / 2 + shares, rtol=1e-4, atol=1e-4)
    margin = 0.5 * cross_entropy(density / 10 + shares, labels)
    torch.testing.assert_close(losses["loss_margin"].double(), margin, rtol=1e-4, atol=1e-6)
    linear = torch.einsum("oc,bchw->bohw", before.softmax.weight[:, :, 0, 0], features)
    softmax = 0.25 * cross_entropy(linear + before.softmax.bias[:, None, None], labels)
    torch.testing.assert_close(losses["loss_softmax"], softmax, rtol=1e-4, atol=1e-6)
    # The one moves what leads to the densities, the other the linear classifier.
    sum(losses.values()).backward()
    assert model.projection.weight.grad is not None and model.softmax is not None
    assert model.softmax.weight.grad is not None and model.log_temperature is not None
    assert model.log_temperature.grad is None


def test_the_softmax_loss_does_not_touch_what_the_network_says() -> None:
    plain, beside = classifier(), classifier(softmax_loss_weight=1.0)
    beside.load_state_dict(beside.state_dict() | plain.state_dict())
    train(plain, 2)
    train(beside, 2)
    features, _ = batch(9)
    assert torch.equal(plain.eval()(features), beside.eval()(features))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"preset": "official"}, "loss_component"),
        ({"margin_loss_weight": 1.0}, "loss_margin"),
        ({"softmax_loss_weight": 1.0}, "loss_softmax"),
        ({"softmax_loss_weight": 1.0, "objective": "discriminative"}, "loss_softmax"),
    ],
)
def test_the_losses_of_a_batch_without_labels_are_zero(settings: dict[str, Any], name: str) -> None:
    model = classifier(**settings)
    model.train()
    features, labels = batch()
    model(features)
    loss = model.learn(torch.full_like(labels, 255))[name]
    assert float(loss.detach()) == 0
    loss.backward()
