"""M-steps beside numpy, and batch EM beside sklearn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import Tensor

from gmmseg.estimation import (
    Mixtures,
    fit_mixtures,
    m_step,
    momentum_update,
    own_log_joint,
    weighted_moments,
)


def drawn(
    seed: int, classes: int = 3, components: int = 3, dimensions: int = 4, number: int = 600
) -> tuple[Tensor, Tensor, Mixtures]:
    """Draw pixels (float32) from mixtures whose components lie far apart, and return these too (float64)."""
    generator = torch.Generator().manual_seed(seed)
    means = 10.0 * torch.randn(classes, components, dimensions, generator=generator, dtype=torch.float64)
    deviations = 0.5 + torch.rand(classes, components, dimensions, generator=generator, dtype=torch.float64)
    weights = (torch.rand(classes, components, generator=generator, dtype=torch.float64) + 0.5).log().softmax(dim=1)
    labels = torch.randint(classes, (number,), generator=generator)
    own = torch.multinomial(weights[labels], 1, generator=generator)[:, 0]
    noise = torch.randn(number, dimensions, generator=generator, dtype=torch.float64)
    features = means[labels, own] + deviations[labels, own] * noise
    return features.float(), labels, Mixtures(means, deviations, weights)


def shifted_start(truth: Mixtures, by: float) -> Mixtures:
    generator = torch.Generator().manual_seed(99)
    moved = truth.means + by * torch.randn(truth.means.shape, generator=generator, dtype=torch.float64)
    weights = torch.full_like(truth.weights, 1 / truth.weights.shape[1])
    return Mixtures(moved, torch.full_like(truth.deviations, 2.0), weights)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.floats(-1000.0, 1000.0))
def test_the_m_step_is_numpy_s_weighted_mean_and_variance(
    seed: int, classes: int, components: int, dimensions: int, offset: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(60, dimensions, generator=generator) + offset
    labels = torch.randint(classes, (60,), generator=generator)
    assignment = torch.rand(60, components, generator=generator, dtype=torch.float64).softmax(dim=1)
    moments = weighted_moments(features, assignment, labels, classes)
    found = m_step(moments, variance_floor=1e-12)
    assert found.means.dtype == found.deviations.dtype == found.weights.dtype == torch.float64
    pixels, q = features.double().numpy(), assignment.numpy()
    for label in range(classes):
        own = labels.numpy() == label
        if not own.any():
            assert float(moments.mass[label].sum()) == 0
            continue
        for component in range(components):
            mean = np.average(pixels[own], axis=0, weights=q[own, component])
            variance = np.average((pixels[own] - mean) ** 2, axis=0, weights=q[own, component])
            np.testing.assert_allclose(found.means[label, component], mean, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(found.deviations[label, component] ** 2, variance, rtol=1e-6, atol=2e-9)
            expected = q[own, component].sum() / own.sum()
            np.testing.assert_allclose(found.weights[label, component], expected, rtol=1e-12)


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    features, labels, _ = drawn(0)
    assignment = torch.rand(len(labels), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = weighted_moments(features, assignment, labels, 3)
    parts = [weighted_moments(features[at], assignment[at], labels[at], 3) for at in (slice(0, 100), slice(100, None))]
    for found, expected in zip(parts[0].plus(parts[1]), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-12)


def test_offset_and_floor_of_the_variance() -> None:
    features = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
    moments = weighted_moments(features, torch.ones(2, 1), torch.zeros(2, dtype=torch.int64), 1)
    found = m_step(moments, variance_offset=0.25, variance_floor=0.5)
    torch.testing.assert_close(found.deviations[0, 0] ** 2, torch.tensor([1.25, 0.5], dtype=torch.float64))


def test_unit_means_are_directions_and_the_variance_is_about_them() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.nn.functional.normalize(torch.randn(50, 6, generator=generator) + 1, dim=1).double()
    moments = weighted_moments(features, torch.ones(50, 1), torch.zeros(50, dtype=torch.int64), 1)
    found = m_step(moments, variance_offset=1e-2, variance_floor=1e-2, unit_means=True)
    direction = features.sum(dim=0) / features.sum(dim=0).norm()
    torch.testing.assert_close(found.means[0, 0], direction)
    torch.testing.assert_close(found.deviations[0, 0], ((features - direction).square().mean(dim=0) + 1e-2).sqrt())


def test_a_component_without_pixels_is_defined() -> None:
    features, labels = torch.ones(4, 2), torch.zeros(4, dtype=torch.int64)
    assignment = torch.tensor([[1.0, 0.0]] * 4)
    found = m_step(weighted_moments(features, assignment, labels, 2), variance_floor=0.04)
    assert all(bool(torch.isfinite(value).all()) for value in found)
    assert found.weights.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert found.means[0, 1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(found.deviations[0, 1], torch.full((2,), 0.2, dtype=torch.float64))


def test_momentum() -> None:
    old, new = torch.tensor([2.0, -1.0]), torch.tensor([4.0, 3.0])
    assert momentum_update(old, new, 0.0).tolist() == new.tolist()
    assert momentum_update(old, new, 1.0).tolist() == old.tolist()
    torch.testing.assert_close(momentum_update(old, new, 0.75), 0.25 * new + 0.75 * old)
    torch.testing.assert_close(momentum_update(old, new, torch.tensor([0.0, 0.5])), torch.tensor([4.0, 1.0]))


def test_own_log_joint_looks_only_at_the_own_class() -> None:
    features, labels, truth = drawn(2, number=40)
    found = own_log_joint(features, labels, truth)
    plain = own_log_joint(features, labels, truth, weighted=False)
    for pixel in range(40):
        own = int(labels[pixel])
        normal = torch.distributions.Normal(truth.means[own], truth.deviations[own])
        expected = normal.log_prob(features[pixel].double()).sum(dim=1)
        torch.testing.assert_close(plain[pixel].double(), expected, rtol=1e-5, atol=1e-4)
        expected = expected + truth.weights[own].log()
        torch.testing.assert_close(found[pixel].double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_em_never_lowers_the_log_likelihood(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(400, 3, generator=generator) * torch.tensor([1.0, 0.2, 3.0])
    labels = torch.randint(3, (400,), generator=generator)
    _, history = fit_mixtures(features, labels, 3, 4, iterations=40, tolerance=-1.0, generator=generator)
    assert len(history) == 40
    gains = np.diff(history)
    assert float(gains.min()) > -1e-6
    assert history[-1] > history[0] + 0.01


def test_a_known_mixture_is_found_again() -> None:
    features, labels, truth = drawn(3, number=6000)
    found, history = fit_mixtures(features, labels, 3, 3, tolerance=1e-6, generator=torch.Generator().manual_seed(3))
    assert history[-1] >= history[0]
    for label in range(3):
        distance = torch.cdist(truth.means[label], found.means[label])
        match = distance.argmin(dim=1)
        assert sorted(match.tolist()) == [0, 1, 2]
        assert float(distance.min(dim=1).values.max()) < 0.2
        torch.testing.assert_close(found.deviations[label, match], truth.deviations[label], rtol=0.1, atol=0)
        torch.testing.assert_close(found.weights[label, match], truth.weights[label], rtol=0, atol=0.05)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("separation", [0.5, 3.0])
@pytest.mark.parametrize("chunk", [65_536, 97])
def test_sklearn_finds_the_same_from_the_same_start(separation: float, chunk: int) -> None:
    features, labels, truth = drawn(4, number=900)
    start, floor, iterations = shifted_start(truth, separation), 1e-6, 25
    found, history = fit_mixtures(
        features, labels, 3, 3, iterations=iterations, tolerance=-1.0, variance_floor=floor, start=start, chunk=chunk
    )
    total = 0.0
    for label in range(3):
        own = features[labels == label].double().numpy()
        reference = GaussianMixture(
            3,
            covariance_type="diag",
            max_iter=iterations,
            tol=0.0,
            reg_covar=0.0,
            means_init=start.means[label].numpy(),
            precisions_init=(start.deviations[label] ** -2).numpy(),
            weights_init=start.weights[label].numpy(),
        )
        reference.fit(own)
        np.testing.assert_allclose(found.means[label], reference.means_, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.deviations[label] ** 2, reference.covariances_, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.weights[label], reference.weights_, atol=1e-3)
        total += reference.score(own) * len(own)
    assert history[-1] == pytest.approx(total / len(features), abs=1e-3)


def test_classes_without_pixels_keep_zero_means_and_unit_deviations() -> None:
    features, labels, _ = drawn(5, classes=2, number=200)
    found, _ = fit_mixtures(features, labels * 2, 4, 3, generator=torch.Generator().manual_seed(0))
    assert all(bool(torch.isfinite(value).all()) for value in found)
    for absent in (1, 3):
        assert bool((found.means[absent] == 0).all()) and bool((found.deviations[absent] == 1).all())
        torch.testing.assert_close(found.weights[absent], torch.full((3,), 1 / 3, dtype=torch.float64))
    assert float(found.means[[0, 2]].abs().max()) > 1


def test_no_pixel_at_all_is_defined() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    found, history = fit_mixtures(torch.zeros(0, 3), nothing, 2, 2)
    assert bool((found.means == 0).all()) and bool((found.deviations == 1).all())
    assert set(history) == {0.0}


def test_fewer_pixels_than_components_stay_finite() -> None:
    features = torch.tensor([[0.0, 1.0], [0.0, 1.0], [3.0, 4.0]])
    found, history = fit_mixtures(
        features,
        torch.tensor([0, 0, 1]),
        2,
        5,
        iterations=5,
        tolerance=-1.0,
        variance_floor=0.01,
        generator=torch.Generator().manual_seed(0),
    )
    assert all(bool(torch.isfinite(value).all()) for value in found) and np.isfinite(history).all()
    torch.testing.assert_close(found.weights.sum(dim=1), torch.ones(2, dtype=torch.float64))


def test_the_same_generator_gives_the_same_mixtures() -> None:
    features, labels, _ = drawn(6)
    first, second = (fit_mixtures(features, labels, 3, 3, generator=torch.Generator().manual_seed(8)) for _ in "ab")
    assert first[1] == second[1]
    assert all(torch.equal(one, other) for one, other in zip(first[0], second[0], strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    features = torch.zeros(5, 2)
    features[3, 1] = value
    with pytest.raises(ValueError, match="the features hold NaN or infinite values"):
        fit_mixtures(features, torch.zeros(5, dtype=torch.int64), 1, 1)


def test_opposite_infinities_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit_mixtures(torch.tensor([[torch.inf, -torch.inf]]), torch.zeros(1, dtype=torch.int64), 1, 1)


@pytest.mark.parametrize("label", [-1, 2, 255])
def test_labels_outside_the_classes_are_refused(label: int) -> None:
    labels = torch.tensor([0, 1, label])
    with pytest.raises(ValueError, match=f"{label}.*outside"):
        fit_mixtures(torch.zeros(3, 2), labels, 2, 1)


def test_large_half_precision_features_are_taken() -> None:
    """Their sum overflows float16, they do not."""
    features = torch.full((200, 4), 600.0, dtype=torch.float16)
    features[:100] -= 1
    found, _ = fit_mixtures(features, torch.zeros(200, dtype=torch.int64), 1, 1)
    torch.testing.assert_close(found.means[0, 0], torch.full((4,), 599.5, dtype=torch.float64))
