"""E-steps beside sklearn, a naive Sinkhorn-Knopp a class, and a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.mixture import GaussianMixture
from torch import Tensor

from gmmseg.assignment import (
    harden,
    responsibilities,
    scale_by_class,
    sinkhorn,
    sinkhorn_plan,
    sinkhorn_potentials,
)
from gmmseg.estimation import Mixtures, own_log_joint

Array = NDArray[np.float64]


def naive_sinkhorn(log_density: Array, epsilon: float, iterations: int, start: Array | None = None) -> Array:
    """Scale columns and rows of exp(log p / epsilon) of one class in turn, the columns first and the rows last.

    A start (M,) scales the columns as if a step of the columns had been before: rows come first.
    """
    scaled = log_density / epsilon
    plan = np.exp(scaled - scaled.max())
    if start is not None:
        plan *= np.exp(start)
        plan /= plan.sum(axis=1, keepdims=True)
    for _ in range(iterations):
        plan *= len(plan) / plan.shape[1] / plan.sum(axis=0, keepdims=True)
        plan /= plan.sum(axis=1, keepdims=True)
    result: Array = plan
    return result


def drawn(seed: int, counts: list[int], components: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return log densities (N, M) float64 and shuffled labels with the given number of pixels a class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    return scale * torch.randn(len(labels), components, generator=generator, dtype=torch.float64), labels


def column_shares(plan: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return (C, M): the mass of each component over that of an equal share; NaN for absent classes."""
    columns = plan.new_zeros(classes, plan.shape[1]).index_add(0, labels, plan)
    return columns * plan.shape[1] / torch.bincount(labels, minlength=classes)[:, None]


def test_vanilla_responsibilities_are_those_of_sklearn() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(300, 3)) + generator.integers(0, 3, size=(300, 1)) * 3
    fitted = GaussianMixture(3, covariance_type="diag", random_state=0).fit(features)
    mixtures = Mixtures(
        torch.from_numpy(fitted.means_)[None],
        torch.from_numpy(fitted.covariances_).sqrt()[None],
        torch.from_numpy(fitted.weights_)[None],
    )
    joint = own_log_joint(torch.from_numpy(features), torch.zeros(300, dtype=torch.int64), mixtures)
    np.testing.assert_allclose(responsibilities(joint), fitted.predict_proba(features), atol=2e-5)


@pytest.mark.parametrize("iterations", [1, 3, 50])
def test_all_classes_at_once_equal_a_naive_sinkhorn_for_each(iterations: int) -> None:
    log_density, labels = drawn(0, [40, 7, 0, 1, 23], 5)
    found = sinkhorn(log_density, labels, 5, epsilon=0.5, iterations=iterations)
    assert found.dtype == torch.float64
    for label in (0, 1, 3, 4):
        own = labels == label
        expected = naive_sinkhorn(log_density[own].numpy(), 0.5, iterations)
        np.testing.assert_allclose(found[own], expected, rtol=1e-10, atol=1e-14)


def test_the_first_step_from_nothing_is_of_the_components() -> None:
    """Two pixels (8, 1) and (2, 3): the columns sum to 10 and 4, so the first one's entries are as 8/10 to 1/4."""
    one = torch.zeros(2, dtype=torch.int64)
    skew = torch.tensor([[8.0, 1.0], [2.0, 3.0]], dtype=torch.float64).log()
    found = sinkhorn(skew, one, 1, epsilon=1.0, iterations=1)
    torch.testing.assert_close(found, torch.tensor([[16 / 21, 5 / 21], [4 / 19, 15 / 19]], dtype=torch.float64))
    # Pixels first: rows (8/9, 1/9) and (2/5, 3/5), columns that sum to 58/45 and 32/45.
    pixels_first = sinkhorn_potentials(
        skew, one, 1, epsilon=1.0, iterations=1, start=torch.zeros(1, 2, dtype=torch.float64)
    )
    found = sinkhorn_plan(skew, one, pixels_first, epsilon=1.0)
    first = 8 / 9 / 58 / (8 / 9 / 58 + 1 / 9 / 32)
    assert float(found[0, 0]) == pytest.approx(first) and first != pytest.approx(16 / 21, abs=0.01)


@pytest.mark.parametrize("iterations", [1, 2, 3, 30])
def test_from_a_start_the_pixels_come_first(iterations: int) -> None:
    log_density, labels = drawn(7, [40, 0, 12], 4)
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    potentials = sinkhorn_potentials(log_density, labels, 3, epsilon=0.5, iterations=iterations, start=start)
    found = sinkhorn_plan(log_density, labels, potentials, epsilon=0.5)
    for label in (0, 2):
        own = labels == label
        expected = naive_sinkhorn(log_density[own].numpy(), 0.5, iterations, start[label].numpy())
        np.testing.assert_allclose(found[own], expected, rtol=1e-10, atol=1e-14)
    assert torch.equal(potentials[1], start[1])
    if iterations < 30:
        nothing = sinkhorn(log_density, labels, 3, epsilon=0.5, iterations=iterations)
        assert float((found - nothing).abs().max()) > 1e-3, "the start is forgotten"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_marginals_at_the_paper_s_epsilon(dtype: torch.dtype) -> None:
    log_density, labels = drawn(1, [300, 60, 11, 5], 5, scale=0.2)
    found = sinkhorn(log_density.to(dtype), labels, 4, epsilon=0.05, iterations=100)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(labels), dtype=torch.float64), rtol=0, atol=1e-12)
    shares = column_shares(found, labels, 4)
    torch.testing.assert_close(shares, torch.ones_like(shares), rtol=0, atol=1e-6)


def test_iterations_on_scaled_densities_come_ever_nearer_the_marginals() -> None:
    """What the official settings do to densities of the usual size: far closer to equal shares than without."""
    log_density, labels = drawn(2, [80, 60], 5, scale=20.0)
    log_density = log_density + torch.tensor([30.0, 0.0, 0.0, 0.0, 0.0])
    scaled = scale_by_class(log_density, labels, 2)
    before = column_shares(responsibilities(log_density), labels, 2)
    assert float((before - 1).abs().max()) > 2
    last = float("inf")
    for iterations, most in ((1, 2.0), (3, 1.0), (30, 0.1), (200, 1e-6)):
        plan = sinkhorn(scaled, labels, 2, epsilon=0.05, iterations=iterations)
        distance = float((column_shares(plan, labels, 2) - 1).abs().max())
        assert distance < min(last, most)
        last = distance


def test_rows_sum_to_one_and_extreme_densities_do_not_overflow() -> None:
    log_density, labels = drawn(3, [50, 30], 5, scale=1000.0)
    found = sinkhorn(log_density, labels, 2, epsilon=0.05, iterations=3)
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found.sum(dim=1), torch.ones(80, dtype=torch.float64), rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.integers(1, 6),
    st.floats(0.3, 3.0),
    st.integers(1, 30),
)
def test_any_classes_equal_the_naive_form_and_forget_a_constant(
    seed: int, counts: list[int], components: int, epsilon: float, iterations: int
) -> None:
    log_density, labels = drawn(seed, counts, components)
    found = sinkhorn(log_density, labels, len(counts), epsilon=epsilon, iterations=iterations)
    assert found.shape == log_density.shape
    for label, count in enumerate(counts):
        if count:
            own = labels == label
            expected = naive_sinkhorn(log_density[own].numpy(), epsilon, iterations)
            np.testing.assert_allclose(found[own], expected, rtol=1e-8, atol=1e-12)
    # One of each class from nothing, and one of each pixel from a start.
    shift = torch.linspace(-50, 50, len(counts), dtype=torch.float64)[labels][:, None]
    moved = sinkhorn(log_density + shift, labels, len(counts), epsilon=epsilon, iterations=iterations)
    torch.testing.assert_close(moved, found, rtol=1e-8, atol=1e-10)
    shift = torch.linspace(-50, 50, len(labels), dtype=torch.float64)[:, None]
    start = torch.zeros(len(counts), components, dtype=torch.float64)
    plans = [
        sinkhorn_plan(
            log_density,
            labels,
            sinkhorn_potentials(values, labels, len(counts), epsilon=epsilon, iterations=iterations, start=start),
            epsilon=epsilon,
        )
        for values in (log_density, log_density + shift)
    ]
    torch.testing.assert_close(plans[1], plans[0], rtol=1e-8, atol=1e-10)


def test_it_solves_the_optimal_transport_of_equation_10() -> None:
    """A general optimiser over Q' finds the same plan: least cost minus epsilon times the entropy."""
    log_density, labels = drawn(4, [6], 3)
    epsilon, cost = 0.4, -log_density.numpy()

    def objective(flat: Array) -> float:
        plan = flat.reshape(cost.shape)
        return float((plan * cost).sum() + epsilon * (plan * np.log(np.maximum(plan, 1e-300))).sum())

    def slope(flat: Array) -> Array:
        plan = flat.reshape(cost.shape)
        gradient: Array = (cost + epsilon * (np.log(np.maximum(plan, 1e-300)) + 1)).ravel()
        return gradient

    constraints = [
        {"type": "eq", "fun": lambda flat: flat.reshape(cost.shape).sum(axis=1) - 1},
        {"type": "eq", "fun": lambda flat: flat.reshape(cost.shape).sum(axis=0)[:-1] - len(cost) / cost.shape[1]},
    ]
    best = minimize(
        objective,
        np.full(cost.size, 1 / cost.shape[1]),
        jac=slope,
        method="SLSQP",
        bounds=[(1e-12, 1)] * cost.size,
        constraints=constraints,
        options={"maxiter": 500, "ftol": 1e-14},
    )
    assert best.success
    found = sinkhorn(log_density, labels, 1, epsilon=epsilon, iterations=300).numpy()
    np.testing.assert_allclose(found, best.x.reshape(cost.shape), atol=1e-5)
    assert objective(found.ravel()) <= best.fun + 1e-8


def test_one_pixel_and_one_component_are_trivial() -> None:
    one = torch.zeros(1, dtype=torch.int64)
    # A single row cannot be shared equally and sum to one unless it is uniform.
    shared = sinkhorn(torch.tensor([[5.0, -3.0]]), one, 3, epsilon=1.0, iterations=100)
    torch.testing.assert_close(shared, torch.tensor([[0.5, 0.5]], dtype=torch.float64))
    assert sinkhorn(torch.tensor([[5.0]]), one, 1).tolist() == [[1.0]]
    nothing = torch.zeros(0, dtype=torch.int64)
    assert sinkhorn(torch.zeros(0, 4), nothing, 3).shape == (0, 4)


def test_a_component_that_no_pixel_can_reach_stays_empty() -> None:
    log_density = torch.randn(10, 3, generator=torch.Generator().manual_seed(5))
    log_density[:, 1] = -torch.inf
    found = sinkhorn(log_density, torch.zeros(10, dtype=torch.int64), 2)
    assert bool(torch.isfinite(found).all()) and bool((found[:, 1] == 0).all())


def test_scaling_is_by_the_largest_magnitude_of_each_class() -> None:
    log_density, labels = drawn(6, [5, 0, 9], 4, scale=30.0)
    found = scale_by_class(log_density, labels, 3)
    for label in (0, 2):
        own = log_density[labels == label]
        torch.testing.assert_close(found[labels == label], own / own.abs().max())
    assert scale_by_class(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), 1).tolist() == [[0.0] * 3] * 2


def test_hardening_gives_each_row_to_its_largest() -> None:
    soft = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.0, 0.1]], dtype=torch.float64)
    hard = harden(soft)
    assert hard.dtype == soft.dtype and hard.tolist() == [[0, 1, 0], [1, 0, 0]]
