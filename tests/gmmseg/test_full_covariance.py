"""Full covariances beside torch.distributions and sklearn."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal

from gmmseg.errors import InputError
from gmmseg.full_covariance import FullMixtures, fit_full_mixtures, full_log_density, whitening_of
from gmmseg.mixtures import FullClassMixtures
from gmmseg.settings import MixtureSettings


def covariances(seed: int, number: int, dimensions: int, stretch: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    roots = torch.randn(number, dimensions, dimensions, generator=generator, dtype=torch.float64)
    scales = torch.logspace(0, -stretch, dimensions, dtype=torch.float64)
    roots = roots * scales
    return roots @ roots.mT + 1e-3 * (10 ** (-2 * stretch)) * torch.eye(dimensions, dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.integers(1, 6), st.floats(0, 2), st.floats(-100, 100))
def test_the_density_is_that_of_torch_distributions(
    seed: int, components: int, dimensions: int, stretch: float, offset: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(components, dimensions, generator=generator, dtype=torch.float64) + offset
    spread = covariances(seed, components, dimensions, stretch)
    pixels = (torch.randn(20, dimensions, generator=generator) + offset).float()
    weights = torch.rand(components, generator=generator, dtype=torch.float64).softmax(0)
    found = full_log_density(pixels, means, whitening_of(spread), weights.log())
    expected = MultivariateNormal(means, spread).log_prob(pixels[:, None].double()) + weights.log()
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_whitening_turns_a_covariance_into_the_identity_and_refuses_what_is_none() -> None:
    spread = covariances(0, 3, 5)
    factors = whitening_of(spread)
    torch.testing.assert_close(factors @ spread @ factors.mT, torch.eye(5, dtype=torch.float64).expand(3, 5, 5))
    with pytest.raises(ValueError, match="not positive definite"):
        whitening_of(torch.zeros(1, 2, 2))


def drawn(seed: int, classes: int, components: int, dimensions: int, number: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    means = 12 * torch.randn(classes, components, dimensions, generator=generator, dtype=torch.float64)
    roots = torch.randn(classes, components, dimensions, dimensions, generator=generator, dtype=torch.float64)
    labels = torch.arange(number) % classes
    own = torch.randint(components, (number,), generator=generator)
    noise = torch.randn(number, dimensions, 1, generator=generator, dtype=torch.float64)
    return means[labels, own] + (roots[labels, own] @ noise)[..., 0], labels


def test_em_ends_at_the_likelihood_of_sklearn() -> None:
    features, labels = drawn(3, classes=2, components=3, dimensions=4, number=1800)
    found, history = fit_full_mixtures(
        features, labels, 2, 3, variance_floor=1e-6, tolerance=1e-8, generator=torch.Generator().manual_seed(0)
    )
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(history))
    total = 0.0
    for label in range(2):
        own = features[labels == label].numpy()
        best = max(
            (
                GaussianMixture(3, reg_covar=1e-6, tol=1e-8, random_state=seed, max_iter=500).fit(own)
                for seed in range(5)
            ),
            key=lambda mixture: mixture.score(own),
        )
        order = best.means_[:, 0].argsort()
        mine = found.means[label, :, 0].argsort()
        np.testing.assert_allclose(found.means[label][mine], best.means_[order], atol=1e-2)
        np.testing.assert_allclose(found.covariances[label][mine], best.covariances_[order], atol=2e-2, rtol=1e-2)
        np.testing.assert_allclose(found.weights[label][mine], best.weights_[order], atol=1e-3)
        total += best.score(own) * len(own)
    assert history[-1] == pytest.approx(total / len(features), abs=1e-3)


@pytest.mark.parametrize("shrinkage", [0.3, 0.6])
def test_em_goes_on_where_shrinkage_lowers_the_likelihood(shrinkage: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(600)
    # Classes of other spreads, so that the tied covariance fits none of them.
    spread = torch.tensor([0.3, 3.0, 1.0])[labels, None]
    centres = 1.5 * torch.randn(3, 2, 6, generator=generator)[labels, torch.arange(1800) % 2]
    features = spread * (torch.randn(1800, 6, generator=generator) + centres)

    def fitted(**how: Any) -> list[float]:
        seeded = torch.Generator().manual_seed(1)
        return fit_full_mixtures(features, labels, 3, 2, shrinkage=shrinkage, generator=seeded, **how)[1]

    history = fitted()
    assert history[1] < history[0]
    assert len(history) > 2 and abs(history[-1] - history[-2]) < 1e-3
    longer = fitted(tolerance=0.0, iterations=300)
    assert history == longer[: len(history)]
    assert history[-1] == pytest.approx(longer[-1], abs=0.02)


def test_one_gaussian_a_class_is_numpy_s_covariance_mixed_with_the_tied_one() -> None:
    features, labels = drawn(4, classes=3, components=1, dimensions=3, number=300)
    found, _ = fit_full_mixtures(features, labels, 3, 1, shrinkage=0.25, variance_floor=0.5)
    own = [np.cov(features[labels == label].numpy().T, bias=True) for label in range(3)]
    tied = sum(own) / 3
    for label in range(3):
        expected = 0.75 * own[label] + 0.25 * tied + 0.5 * np.eye(3)
        np.testing.assert_allclose(found.covariances[label, 0], expected, rtol=1e-9)


def test_a_class_without_pixels_and_features_that_are_not_finite() -> None:
    features, labels = drawn(5, classes=2, components=1, dimensions=3, number=100)
    found, _ = fit_full_mixtures(features, labels * 2, 3, 2)
    assert torch.equal(found.covariances[1], torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
    assert not found.means[1].any()
    with pytest.raises(ValueError, match="NaN"):
        fit_full_mixtures(features * torch.nan, labels, 2, 1)


def test_the_module_gives_the_same_density_and_keeps_it_through_a_state_dict() -> None:
    spread = covariances(6, 6, 4).reshape(2, 3, 4, 4)
    means = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    weights = torch.full((2, 3), 1 / 3, dtype=torch.float64)
    module = FullClassMixtures(2, 3, 4)
    module.replace_full(FullMixtures(means, spread, weights))
    module.updates.fill_(1)
    again = FullClassMixtures(2, 3, 4)
    again.load_state_dict(module.state_dict())
    maps = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(8))
    expected = MultivariateNormal(means, spread).log_prob(maps.permute(0, 2, 3, 1)[..., None, None, :].double())
    expected = (expected + weights.log()).permute(0, 3, 4, 1, 2).float()
    torch.testing.assert_close(again(maps), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(again.deviations, spread.diagonal(dim1=2, dim2=3).sqrt().float())


def test_half_the_precision_gives_the_same_density() -> None:
    spread = covariances(9, 3, 5) + 0.1 * torch.eye(5, dtype=torch.float64)
    means, features = torch.randn(3, 5), torch.randn(20, 5)
    exact = full_log_density(features, means, whitening_of(spread))
    rounded = full_log_density(features, means, whitening_of(spread), dtype=torch.float32)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact.float(), rtol=1e-4, atol=1e-4)


def test_cross_entropy_does_not_fit_whole_covariances() -> None:
    with pytest.raises(InputError, match="cross-entropy cannot fit full covariances"):
        MixtureSettings(covariance="full", objective="discriminative", pixels_per_class_and_image=None)
