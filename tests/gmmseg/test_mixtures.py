"""The mixtures as a module: densities of maps, classes that are not known, and what a state dict holds."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gmmseg.estimation import Mixtures
from gmmseg.mixtures import ClassMixtures

CLASSES, COMPONENTS, DIMENSIONS = 4, 3, 5


def drawn(seed: int = 0) -> Mixtures:
    generator = torch.Generator().manual_seed(seed)
    shape = (CLASSES, COMPONENTS, DIMENSIONS)
    means = torch.randn(shape, generator=generator, dtype=torch.float64)
    deviations = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.2
    weights = torch.rand(CLASSES, COMPONENTS, generator=generator, dtype=torch.float64).softmax(dim=1)
    return Mixtures(means, deviations, weights)


def filled(known: list[int] | None = None, kind: str = "max") -> ClassMixtures:
    """Return mixtures with drawn parameters, of which the named classes had pixels."""
    module = ClassMixtures(CLASSES, COMPONENTS, DIMENSIONS, kind)  # type: ignore[arg-type]
    module.replace(drawn())
    module.updates[list(range(CLASSES)) if known is None else known] = 1
    return module


def maps(seed: int = 1) -> Tensor:
    return torch.randn(2, DIMENSIONS, 3, 4, generator=torch.Generator().manual_seed(seed))


def test_they_start_as_directions_of_unit_deviation_and_equal_weight() -> None:
    module = ClassMixtures(CLASSES, COMPONENTS, DIMENSIONS)
    torch.testing.assert_close(module.means.norm(dim=2), torch.ones(CLASSES, COMPONENTS))
    assert bool((module.deviations == 1).all()) and bool((module.updates == 0).all())
    torch.testing.assert_close(module.weights, torch.full((CLASSES, COMPONENTS), 1 / COMPONENTS))
    assert list(module.parameters()) == [] and not bool(module.known.any())


@pytest.mark.parametrize("kind", ["max", "logsumexp"])
def test_class_densities_are_those_of_torch(kind: str) -> None:
    module, truth, features = filled(kind=kind), drawn(), maps()
    joint = module(features)
    assert joint.shape == (2, CLASSES, COMPONENTS, 3, 4) and joint.dtype == torch.float32
    found = module.class_log_density(joint)
    pixels = features.permute(0, 2, 3, 1).double()
    for label in range(CLASSES):
        normal = Independent(Normal(truth.means[label], truth.deviations[label]), 1)
        if kind == "logsumexp":
            expected = MixtureSameFamily(Categorical(truth.weights[label]), normal).log_prob(pixels)
        else:
            expected = (normal.log_prob(pixels[..., None, :]) + truth.weights[label].log()).amax(dim=-1)
        torch.testing.assert_close(found[:, label].double(), expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(module.class_log_density(joint, "max"), joint.amax(dim=2))


def test_replacing_and_reading_returns_the_same_and_settles() -> None:
    """Deviations are kept as logarithms; passing them through again and again must not move them."""
    module, truth = filled(), drawn()
    for found, expected in zip(module.snapshot(), truth, strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-7)
    module.replace(module.snapshot())
    first = module.state_dict()
    kept = {name: value.clone() for name, value in first.items()}
    for _ in range(50):
        module.replace(module.snapshot())
    assert all(torch.equal(module.state_dict()[name], kept[name]) for name in kept)


def test_an_unknown_class_is_as_dense_as_the_least_dense_known_one() -> None:
    module = filled([0, 2])
    # An unknown class that would win everywhere.
    with torch.no_grad():
        module.log_deviations[1] = -3.0
        module.means[1] = 0.0
    features = torch.zeros(1, DIMENSIONS, 2, 2)
    joint = module(features)
    found = module.class_log_density(joint)
    plain = joint.amax(dim=2)
    assert bool((plain.argmax(dim=1) == 1).all())
    assert torch.equal(found[:, [0, 2]], plain[:, [0, 2]])
    lowest = plain[:, [0, 2]].amin(dim=1) - 1
    assert torch.equal(found[:, 1], lowest) and torch.equal(found[:, 3], lowest)
    assert torch.equal(found.amax(dim=1), plain[:, [0, 2]].amax(dim=1))
    assert not bool(torch.isin(found.argmax(dim=1), torch.tensor([1, 3])).any())


def test_no_gradient_passes_through_an_unknown_class() -> None:
    module = filled([0, 2])
    features = maps().requires_grad_()
    module.class_log_density(module(features))[:, [1, 3]].sum().backward()
    assert features.grad is not None and float(features.grad.abs().max()) == 0


def test_where_nothing_is_known_densities_are_those_of_the_start() -> None:
    module = ClassMixtures(CLASSES, COMPONENTS, DIMENSIONS)
    joint = module(maps())
    assert torch.equal(module.class_log_density(joint), joint.amax(dim=2))


@pytest.mark.parametrize("load", ["torch", "mmengine"])
def test_loaded_parameters_may_know_fewer_classes(load: str) -> None:
    whole, part = filled(), filled([0, 2])
    features = maps()
    # Every class is known, which is looked up once.
    whole.class_log_density(whole(features))
    expected = part.class_log_density(part(features))
    if load == "torch":
        whole.load_state_dict(part.state_dict())
    else:
        load_state_dict(whole, part.state_dict(), strict=True)
    torch.testing.assert_close(whole.class_log_density(whole(features)), expected)


def test_a_class_that_becomes_known_is_seen() -> None:
    module, features = filled([0, 2]), maps()
    module.class_log_density(module(features))
    module.updates[[1, 3]] = 1
    joint = module(features)
    assert torch.equal(module.class_log_density(joint), joint.amax(dim=2))


def test_trainable_mixtures_are_parameters_and_known() -> None:
    module = ClassMixtures(CLASSES, COMPONENTS, DIMENSIONS, trainable=True)
    assert {name for name, _ in module.named_parameters()} == {"means", "log_deviations"}
    assert bool(module.known.all())
    features = maps().requires_grad_()
    module.class_log_density(module(features)).sum().backward()
    assert features.grad is not None
    for parameter in module.parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().max()) > 0
    assert not module.snapshot().means.requires_grad


def test_copies_and_pickles_are_independent() -> None:
    module, features = filled([0, 2]), maps()
    expected = module.class_log_density(module(features))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(other.class_log_density(other(features)), expected)
        other.load_state_dict(filled().state_dict())
        assert bool(other.known.all()) and not bool(module.known.all())
