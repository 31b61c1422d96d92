"""Full covariances beside the mixture: against NumPy and torch.distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.full_covariance import FullGaussians, full_gaussian
from gmmseg.memory import FeatureMemory
from gmmseg.settings import MixtureSettings

CLASSES, DIMENSIONS = 3, 4


def filled(counts: list[int], seed: int = 0) -> FeatureMemory:
    """Return a memory that holds so many correlated features of each class."""
    generator = torch.Generator().manual_seed(seed)
    memory = FeatureMemory(CLASSES, 1, DIMENSIONS, 200)
    for queue, count in enumerate(counts):
        mixing = torch.randn(DIMENSIONS, DIMENSIONS, generator=generator)
        features = 3 * queue + torch.randn(count, DIMENSIONS, generator=generator) @ mixing
        memory.push(features, torch.full((count,), queue))
    return memory


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 60), st.integers(1, 8))
def test_covariance_is_numpys_shrunk_towards_its_diagonal(seed: int, count: int, dimensions: int) -> None:
    features = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))
    centre, covariance = full_gaussian(features)
    whole = np.cov(features.double().numpy().T, bias=True).reshape(dimensions, dimensions)
    share = count / (count + dimensions)
    variances = np.maximum(np.diag(whole), max(1e-5 * np.diag(whole).mean(), 1e-12))
    expected = share * (whole - np.diag(np.diag(whole))) + np.diag(variances)
    np.testing.assert_allclose(centre.numpy(), features.double().mean(0).numpy())
    np.testing.assert_allclose(covariance.numpy(), expected, atol=1e-12)
    assert torch.linalg.cholesky_ex(covariance).info == 0


def test_equal_pixels_still_have_a_density() -> None:
    _, covariance = full_gaussian(torch.ones(5, 3))
    assert torch.equal(covariance, 1e-12 * torch.eye(3, dtype=torch.float64))


def test_densities_are_those_of_torch_distributions() -> None:
    memory = filled([150, 90, 60])
    gaussians = FullGaussians(CLASSES, DIMENSIONS)
    gaussians.fit(memory)
    embedded = 5 * torch.randn(2, DIMENSIONS, 40, 50, generator=torch.Generator().manual_seed(1))
    found = gaussians(embedded)
    pixels = embedded.movedim(1, -1).double()
    for label in range(CLASSES):
        normal = MultivariateNormal(*full_gaussian(memory.features(label)))
        torch.testing.assert_close(found[:, label].double(), normal.log_prob(pixels), rtol=1e-4, atol=1e-4)


def test_a_class_without_pixels_is_the_least_likely() -> None:
    gaussians = FullGaussians(CLASSES, DIMENSIONS)
    gaussians.fit(filled([50, 1, 50]))
    found = gaussians(torch.randn(1, DIMENSIONS, 4, 4))
    assert torch.equal(found[:, 1], found[:, [0, 2]].amin(1) - 1)


def test_without_any_pixel_all_is_zero_and_finite() -> None:
    gaussians = FullGaussians(CLASSES, DIMENSIONS)
    gaussians.fit(FeatureMemory(CLASSES, 1, DIMENSIONS, 10))
    assert not gaussians(torch.randn(1, DIMENSIONS, 2, 2)).any()


def test_saving_weights_brings_the_covariances_up_to_date() -> None:
    chosen = MixtureSettings(components=2, dimensions=4, full_covariance=True, memory_size=5000, reseed_after=0)
    classifier = GMMClassifier(8, 3, chosen, dropout=0.0)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    # As many pixels of each class as enter the memory.
    labels = torch.arange(3).repeat_interleave(8)[None, None]
    seen = []
    for _ in range(3):
        features = torch.randn(1, 8, 1, 24)
        classifier(features)
        classifier.learn(labels)
        seen.append(classifier.projection(features).detach().movedim(1, -1)[labels == 2])
    saved = classifier.state_dict()
    assert not torch.equal(saved["full.centres"], before["full.centres"])
    # All pixels fit in, and are those before the normalisation.
    centre, _ = full_gaussian(torch.cat(seen))
    torch.testing.assert_close(saved["full.centres"][2].double(), centre, rtol=1e-5, atol=1e-6)
    other = GMMClassifier(8, 3, chosen, dropout=0.0)
    other.load_state_dict(saved)
    # A network that only runs has no memory, and keeps what it was given.
    assert torch.equal(other.state_dict()["full.whitening"], saved["full.whitening"])
    # A training that goes on has the same memory.
    other.load_training_state(classifier.training_state())
    assert torch.equal(other.state_dict()["full.whitening"], saved["full.whitening"])
    assert torch.equal(other._full_memory.features(1), classifier._full_memory.features(1))


def test_they_need_the_memory_of_em() -> None:
    with pytest.raises(InputError, match="full_covariance"):
        MixtureSettings(full_covariance=True, objective="discriminative")
