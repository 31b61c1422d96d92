"""Mixture densities beside torch.distributions in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gmmseg.density import (
    class_log_density,
    class_log_posterior,
    component_log_density,
    component_log_density_maps,
    quadratic_form,
)


def reference(features: Tensor, means: Tensor, deviations: Tensor, log_weights: Tensor | None = None) -> Tensor:
    """Return (N, K) float64 from the definition."""
    normal = Independent(Normal(means.double(), deviations.double()), 1)
    densities = normal.log_prob(features.double()[:, None])
    return densities if log_weights is None else densities + log_weights.double()


def directions(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def near_means(
    generator: torch.Generator, number: int, components: int, dimensions: int, narrow: float, wide: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw features from the components themselves, so that log densities are what a trained network sees."""
    means = directions(generator, components, dimensions)
    deviations = torch.empty(components, dimensions).uniform_(narrow, wide, generator=generator)
    own = torch.arange(number) % components
    noise = torch.randn(number, dimensions, generator=generator)
    return means[own] + deviations[own] * noise, means, deviations


def assert_close_near_100(found: Tensor, exact: Tensor, least: int = 1) -> None:
    """Demand 1e-4 where a log density lies within 150 of zero, and the last digits of float32 elsewhere."""
    assert found.dtype == torch.float32
    difference = (found.double() - exact).abs()
    near = exact.abs() <= 150
    assert int(near.sum()) >= least
    assert float(difference[near].max()) <= 1e-4
    assert bool((difference <= 1e-4 + 2e-6 * exact.abs()).all())


@pytest.mark.parametrize(("narrow", "wide"), [(0.03, 0.1), (0.1, 0.1), (0.03, 0.03), (0.1, 1.0), (0.5, 4.0)])
@pytest.mark.parametrize("dimensions", [1, 2, 64])
def test_float32_keeps_a_log_density_to_1e_4(narrow: float, wide: float, dimensions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features, means, deviations = near_means(generator, 950, 95, dimensions, narrow, wide)
    found = component_log_density(features, means, deviations)
    assert_close_near_100(found, reference(features, means, deviations), least=900)


def test_the_log_densities_proven_reach_a_hundred_on_both_sides() -> None:
    generator = torch.Generator().manual_seed(1)
    features, means, deviations = near_means(generator, 4000, 10, 64, 0.04, 0.06)
    exact = reference(features, means, deviations)
    assert float(exact.max()) > 100 and bool(((exact > -150) & (exact < -50)).any())
    assert_close_near_100(component_log_density(features, means, deviations), exact)


@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0, 1000.0, -20_000.0])
@pytest.mark.parametrize("deviation", [0.05, 1.0])
def test_means_far_from_the_origin_lose_nothing(offset: float, deviation: float) -> None:
    """Features and means are given in float32; what the offset rounds away is gone for the reference as well."""
    generator = torch.Generator().manual_seed(2)
    features, means, deviations = near_means(generator, 500, 20, 64, deviation, 2 * deviation)
    features, means = features + offset, means + offset
    assert_close_near_100(component_log_density(features, means, deviations), reference(features, means, deviations))


@pytest.mark.parametrize("scale", [5.0, 50.0, 500.0])
def test_features_that_are_not_normalised(scale: float) -> None:
    generator = torch.Generator().manual_seed(3)
    features, means, deviations = near_means(generator, 500, 20, 64, 0.3, 1.0)
    means = means * scale
    features = means[torch.arange(500) % 20] + 0.5 * torch.randn(500, 64, generator=generator)
    assert_close_near_100(component_log_density(features, means, deviations), reference(features, means, deviations))


@pytest.mark.parametrize("dimensions", [1, 8, 64])
@pytest.mark.parametrize("along", ["one", "all"])
def test_just_below_the_switch_to_float64_the_form_is_still_exact(dimensions: int, along: str) -> None:
    """The hardest form that is still float32: the means as far apart as it lets them be."""
    generator = torch.Generator().manual_seed(4)
    deviation = 0.08
    step = torch.zeros(dimensions)
    if along == "one":
        step[0] = 1.0
    else:
        step[:] = dimensions**-0.5
    means = torch.stack([-step, step]) * deviation * math.sqrt(255)
    deviations = torch.full_like(means, deviation)
    assert quadratic_form(means, deviations).weight.dtype == torch.float32
    features = means[torch.arange(4000) % 2] + deviation * torch.randn(4000, dimensions, generator=generator)
    exact = reference(features, means, deviations)
    own = torch.arange(4000), torch.arange(4000) % 2
    difference = (component_log_density(features, means, deviations).double() - exact)[own].abs()
    assert bool((exact[own].abs() < 150).all())
    assert float(difference.max()) <= 1e-4


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 70),
    st.floats(0.03, 3.0),
    st.floats(-100.0, 100.0),
)
def test_any_mixture_agrees_with_the_definition(
    seed: int, number: int, components: int, dimensions: int, deviation: float, offset: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features, means, deviations = near_means(generator, number, components, dimensions, deviation, 2 * deviation)
    features, means = features + offset, means + offset
    log_weights = torch.rand(components, generator=generator).log_softmax(0)
    found = component_log_density(features, means, deviations, log_weights)
    difference = (found.double() - reference(features, means, deviations, log_weights)).abs()
    assert bool((difference <= 1e-4 + 2e-6 * found.double().abs()).all())


@pytest.mark.parametrize("spread", [0.1, 3.0], ids=["float32", "float64"])
def test_maps_equal_rows(spread: float) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(2, 8, 3, 5, generator=generator) * spread
    means, deviations = torch.randn(6, 8, generator=generator) * spread, torch.full((6, 8), 0.1)
    log_weights = torch.rand(6, generator=generator).log_softmax(0)
    found = component_log_density_maps(maps, means, deviations, log_weights)
    rows = component_log_density(maps.permute(0, 2, 3, 1).reshape(-1, 8), means, deviations, log_weights)
    assert found.shape == (2, 6, 3, 5) and found.dtype == torch.float32
    torch.testing.assert_close(found.permute(0, 2, 3, 1).reshape(-1, 6), rows, rtol=2e-6, atol=2e-5)


def test_log_weights_are_added() -> None:
    generator = torch.Generator().manual_seed(6)
    features, means, deviations = near_means(generator, 50, 4, 16, 0.1, 0.3)
    log_weights = torch.tensor([0.0, -1.0, -20.0, -torch.inf])
    found = component_log_density(features, means, deviations, log_weights)
    plain = component_log_density(features, means, deviations)
    torch.testing.assert_close(found[:, :3], plain[:, :3] + log_weights[:3], rtol=0, atol=5e-5)
    assert bool((found[:, 3] == -torch.inf).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("given_dtype", ["float32", "lower"])
def test_autocast_changes_nothing(dtype: torch.dtype, given_dtype: str) -> None:
    generator = torch.Generator().manual_seed(7)
    features, means, deviations = near_means(generator, 120, 12, 64, 0.05, 0.1)
    if given_dtype == "lower":
        features = features.to(dtype)
    maps = features.reshape(2, 6, 10, 64).permute(0, 3, 1, 2)
    rows, at_maps = (
        component_log_density(features, means, deviations),
        component_log_density_maps(maps, means, deviations),
    )
    with torch.autocast("cpu", dtype=dtype):
        # What is to be switched off: the very product loses its digits.
        assert (features @ means.t()).dtype == dtype
        torch.testing.assert_close(component_log_density(features, means, deviations), rows, rtol=0, atol=0)
        torch.testing.assert_close(component_log_density_maps(maps, means, deviations), at_maps, rtol=0, atol=0)
    assert rows.dtype == at_maps.dtype == torch.float32
    assert_close_near_100(rows, reference(features, means, deviations))


@pytest.mark.parametrize("far", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("shape", ["rows", "maps"])
def test_gradients_reach_the_features_and_a_trainable_mixture(far: bool, shape: str) -> None:
    generator = torch.Generator().manual_seed(8)
    features, means, deviations = near_means(generator, 24, 6, 16, 0.1, 0.3)
    if far:
        means = means * 10
    log_weights = torch.rand(6, generator=generator).log_softmax(0)
    seed = torch.randn(24, 6, generator=generator)
    given = [value.clone().requires_grad_() for value in (features, means, deviations, log_weights)]
    exact = [value.double().clone().requires_grad_() for value in (features, means, deviations, log_weights)]
    if shape == "rows":
        found = component_log_density(*given)
    else:
        found = component_log_density_maps(given[0].reshape(2, 3, 4, 16).permute(0, 3, 1, 2), *given[1:])
        found = found.permute(0, 2, 3, 1).reshape(24, 6)
    (found * seed).sum().backward()
    (reference(*exact) * seed.double()).sum().backward()
    for value, expected in zip(given, exact, strict=True):
        assert value.grad is not None and expected.grad is not None and value.grad.dtype == torch.float32
        scale = float(expected.grad.abs().max())
        torch.testing.assert_close(value.grad.double(), expected.grad, rtol=1e-5, atol=1e-5 * scale)


def test_a_fixed_mixture_gets_no_gradient() -> None:
    generator = torch.Generator().manual_seed(9)
    features, means, deviations = near_means(generator, 24, 6, 16, 0.1, 0.3)
    features.requires_grad_()
    component_log_density(features, means, deviations).sum().backward()
    assert features.grad is not None and means.grad is None and deviations.grad is None
    assert not component_log_density(features.detach(), means, deviations).requires_grad


def test_means_changed_in_place_leave_the_gradient_of_an_earlier_forward() -> None:
    generator = torch.Generator().manual_seed(10)
    features, means, deviations = near_means(generator, 24, 6, 16, 0.1, 0.3)
    for place in (means, deviations):
        first, second = (features.clone().requires_grad_() for _ in range(2))
        component_log_density(first, means, deviations).sum().backward()
        densities = component_log_density(second, means, deviations)
        place.mul_(2)
        densities.sum().backward()
        assert first.grad is not None and second.grad is not None
        assert torch.equal(first.grad, second.grad)


def test_the_sum_over_components_is_the_mixture_of_torch() -> None:
    generator = torch.Generator().manual_seed(11)
    features, means, deviations = near_means(generator, 200, 5, 64, 0.08, 0.2)
    weights = torch.rand(5, generator=generator).softmax(0)
    normal = Independent(Normal(means.double(), deviations.double()), 1)
    exact = MixtureSameFamily(Categorical(probs=weights.double()), normal).log_prob(features.double())
    joint = component_log_density(features, means, deviations, weights.log())
    found = class_log_density(joint, "logsumexp")
    assert_close_near_100(found, exact, least=100)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 8), st.floats(0.01, 1000.0))
def test_the_sum_lies_between_the_largest_and_the_largest_plus_log_m(seed: int, components: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    joint = torch.randn(7, 3, components, generator=generator, dtype=torch.float64) * scale
    largest, whole = class_log_density(joint, "max"), class_log_density(joint, "logsumexp")
    assert bool((whole >= largest - 1e-12 * scale).all())
    assert bool((whole <= largest + math.log(components) + 1e-12 * scale).all())
    assert torch.equal(class_log_density(joint.movedim(2, 1), "max", dim=1), largest)
    assert torch.equal(largest, joint.max(dim=2).values)


def test_an_unknown_reduction_is_refused() -> None:
    kind: Any = "mean"
    with pytest.raises(ValueError, match="give 'max' or 'logsumexp'"):
        class_log_density(torch.zeros(2, 2), kind)


def test_densities_too_large_for_an_exponential_stay_finite() -> None:
    means, deviations = torch.zeros(2, 64), torch.full((2, 64), 0.03)
    joint = component_log_density(torch.zeros(1, 64), means, deviations)
    assert math.isinf(float(torch.exp(joint[0, 0])))
    expected = -64 * (math.log(0.03) + 0.5 * math.log(2 * math.pi))
    assert float(class_log_density(joint, "logsumexp")) == pytest.approx(expected + math.log(2), abs=1e-4)


@pytest.mark.parametrize("dim", [1, -1])
def test_the_posterior_is_bayes_rule(dim: int) -> None:
    generator = torch.Generator().manual_seed(12)
    shape = (2, 4, 3, 3) if dim == 1 else (5, 4)
    density = torch.randn(shape, generator=generator, dtype=torch.float64)
    prior = torch.tensor([1.0, 3.0, 0.5, 2.0], dtype=torch.float64)
    weights = prior.reshape([-1 if axis == dim % len(shape) else 1 for axis in range(len(shape))])
    joint = density.exp() * weights
    expected = joint / joint.sum(dim=dim, keepdim=True)
    torch.testing.assert_close(class_log_posterior(density, prior.log(), dim).exp(), expected)
    uniform = density.exp() / density.exp().sum(dim=dim, keepdim=True)
    torch.testing.assert_close(class_log_posterior(density, dim=dim).exp(), uniform)
    # Only ratios of the prior count.
    scaled = class_log_posterior(density, (7 * prior).log(), dim)
    torch.testing.assert_close(scaled, class_log_posterior(density, prior.log(), dim))
