"""Online EM, each step beside the same step written out by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from gmmseg.assignment import sinkhorn, sinkhorn_potentials
from gmmseg.errors import InputError
from gmmseg.online import OnlineEM
from gmmseg.sampling import IGNORED
from tests.gmmseg.learners import (
    CLASSES,
    COMPONENTS,
    DIMENSIONS,
    batch,
    learner,
    official,
    reference_log_density,
    rows,
)


def mean_and_variance(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    weights = weights.double()[:, None] / weights.double().sum()
    mean = (weights * features.double()).sum(dim=0)
    return mean, (weights * (features.double() - mean).square()).sum(dim=0)


@pytest.mark.parametrize("assignment", ["sinkhorn", "vanilla"])
def test_separable_features_raise_the_log_likelihood(assignment: str) -> None:
    em = learner(assignment=assignment, momentum_warmup="all", sinkhorn_epsilon=1.0)
    history = []
    for iteration in range(12):
        em.step(*batch(iteration), iteration)
        history.append(em.log_likelihood)
    # Of the mixture that drew them: two groups with deviations of 0.3.
    best = float(np.log(0.5) - 4 * (np.log(0.3) + 0.5 * np.log(2 * np.pi) + 0.5))
    assert history[0] < -8 and history[-1] > best - 1.5
    assert history[-1] > history[1] > history[0]


def test_paper_step_is_the_moments_of_memory_and_batch() -> None:
    """Every queue is full and has been overwritten; the M-step must equal one over the pixels themselves."""
    em = learner(
        memory_size=15,
        momentum_means=0.9,
        momentum_deviations=0.7,
        momentum_warmup="none",
        sinkhorn_warm_start=False,
    )
    remembered: list[list[Tensor]] = [[] for _ in range(CLASSES * COMPONENTS)]
    for iteration in range(25):
        features, labels, correct = batch(iteration)
        before = copy.deepcopy(em.mixtures)
        pixels, own_labels = rows(features), labels.flatten()
        full = min(len(queue) for queue in remembered) == 15
        em.step(features, labels, correct, iteration)
        for label in range(CLASSES):
            own = pixels[own_labels == label]
            density = reference_log_density(own, label, before)
            q = sinkhorn(density, torch.zeros(len(own), dtype=torch.int64), 1, iterations=30)
            component = q.argmax(dim=1)
            for index in range(COMPONENTS):
                queue = remembered[label * COMPONENTS + index]
                together = torch.stack([*queue, *own])
                weights = torch.cat([torch.ones(len(queue), dtype=torch.float64), q[:, index]])
                if float(weights.sum()) > 1e-3:
                    mean, variance = mean_and_variance(together, weights)
                    expected = 0.1 * mean + 0.9 * before.means[label, index].double()
                    spread = (
                        0.3 * variance.clamp(min=em.settings.variance_floor)
                        + 0.7 * before.deviations[label, index].double() ** 2
                    )
                    found = em.mixtures.snapshot()
                    torch.testing.assert_close(found.means[label, index].double(), expected, rtol=1e-4, atol=1e-5)
                    torch.testing.assert_close(
                        found.deviations[label, index].double() ** 2, spread, rtol=1e-4, atol=1e-5
                    )
                queue.extend(own[component == index])
                del queue[: max(0, len(queue) - 15)]
        assert em.memory.fill.tolist() == [len(queue) for queue in remembered]
    assert full
    assert torch.equal(em.mixtures.weights, torch.full((CLASSES, COMPONENTS), 0.5))


@pytest.mark.parametrize("warmup", ["none", "deviations", "all"])
def test_momentum_and_its_warm_up_by_hand(warmup: str) -> None:
    """One Gaussian a class: nothing is assigned, so each step is a mean, a variance, and the momentum."""
    em = learner(components=1, momentum_means=0.6, momentum_deviations=0.8, momentum_warmup=warmup, memory_size=1)
    means, variances = em.mixtures.means[:, 0].double(), torch.ones(CLASSES, DIMENSIONS, dtype=torch.float64)
    last: dict[int, Tensor] = {}
    for iteration in range(4):
        features, labels, correct = batch(iteration)
        em.step(features, labels, correct, iteration)
        of_means = min(0.6, iteration / (iteration + 1)) if warmup == "all" else 0.6
        of_variances = 0.8 if warmup == "none" else min(0.8, iteration / (iteration + 1))
        for label in range(CLASSES):
            own = rows(features)[labels.flatten() == label]
            together = torch.cat([last[label][None], own]) if label in last else own
            mean, variance = mean_and_variance(together, torch.ones(len(together)))
            means[label] = (1 - of_means) * mean + of_means * means[label]
            variances[label] = (1 - of_variances) * variance + of_variances * variances[label]
            last[label] = own[-1]
        torch.testing.assert_close(em.mixtures.means[:, 0].double(), means, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(em.mixtures.deviations[:, 0].double() ** 2, variances, rtol=1e-4, atol=1e-5)


def test_vanilla_weights_follow_their_shares() -> None:
    em = learner(assignment="vanilla", momentum_weights=0.5, momentum_warmup="none")
    features, labels, correct = batch(0)
    before = copy.deepcopy(em.mixtures)
    em.step(features, labels, correct, 0)
    for label in range(CLASSES):
        own = rows(features)[labels.flatten() == label]
        joint = reference_log_density(own, label, before) + before.weights[label].double().log()
        shares = joint.softmax(dim=1).mean(dim=0)
        expected = 0.5 * shares + 0.5 * before.weights[label].double()
        torch.testing.assert_close(em.mixtures.weights[label].double(), expected, rtol=1e-4, atol=1e-5)


def test_m_steps_come_every_so_many_iterations() -> None:
    for em in (learner(em_every=3), official(em_every=3)):
        changed = []
        for iteration in range(7):
            before = em.mixtures.means.clone()
            em.step(*batch(iteration), iteration)
            changed.append(not torch.equal(before, em.mixtures.means))
        assert changed == [True, False, False, True, False, False, True]
        assert int(em.memory.fill.sum()) > 0


def test_more_loops_climb_further_on_one_batch() -> None:
    histories = []
    for loops in (1, 5):
        em = learner(em_loops=loops, assignment="vanilla", momentum_means=0.0, momentum_deviations=0.0)
        features, labels, correct = batch(0)
        em.step(features, labels, correct, 0)
        em.step(features, labels, correct, 1)
        histories.append(em.log_likelihood)
    assert histories[1] > histories[0]


def test_a_class_absent_from_the_batch_does_not_move() -> None:
    em = learner(momentum_warmup="all")
    for iteration in range(3):
        em.step(*batch(iteration), iteration)
    before = {name: value.clone() for name, value in em.mixtures.state_dict().items()}
    for iteration in range(3, 8):
        em.step(*batch(iteration, (0, 2)), iteration)
    after = em.mixtures.state_dict()
    for name in ("means", "weights", "updates"):
        assert torch.equal(after[name][1], before[name][1])
    torch.testing.assert_close(after["log_deviations"][1], before["log_deviations"][1], rtol=0, atol=1e-6)
    assert not torch.equal(after["means"][0], before["means"][0])
    assert em.idle[1].tolist() == [0] * COMPONENTS


def kill(em: OnlineEM, label: int, component: int) -> None:
    """Put a component where no pixel of its class is, and the others in the midst of theirs."""
    em.mixtures.means.copy_(2 * torch.randn(CLASSES, 2, DIMENSIONS, generator=torch.Generator().manual_seed(50)))
    em.mixtures.means[label, component] = 1e3
    em.mixtures.log_deviations[label, component] = -2.0


@pytest.mark.parametrize("batch_in_m_step", [True, False])
def test_a_dead_component_is_counted_and_starts_anew_at_a_pixel_of_its_class(batch_in_m_step: bool) -> None:
    em = learner(assignment="vanilla", reseed_after=4, batch_in_m_step=batch_in_m_step, memory_size=200)
    kill(em, 1, 0)
    for iteration in range(3):
        em.step(*batch(iteration), iteration)
        assert em.reseeded == 0 and int(em.idle[1, 0]) == iteration + 1
        # A batch without the class is no proof of death.
        em.step(*batch(iteration, (0, 2)), iteration)
        assert int(em.idle[1, 0]) == iteration + 1
    assert bool((em.mixtures.means[1, 0] == 1e3).all()) and not bool(em.live()[1, 0])
    features, labels, correct = batch(3)
    em.step(features, labels, correct, 3)
    assert em.reseeded == 1 and int(em.idle[1, 0]) == 0 and bool(em.live()[1, 0])
    own = rows(features)[labels.flatten() == 1]
    assert float((own - em.mixtures.means[1, 0]).abs().sum(dim=1).min()) < 1e-6
    assert bool(torch.isfinite(em.mixtures.log_deviations).all())
    for iteration in range(4, 12):
        em.step(*batch(iteration), iteration)
    assert em.reseeded == 1 and int(em.memory.fill[2]) > 0


def test_a_revived_component_competes_with_the_others_of_its_class() -> None:
    """Under vanilla EM a dead component has lost its weight as well; a pixel's density must not pay for that."""
    em = learner(assignment="vanilla", reseed_after=3, momentum_weights=0.0)
    kill(em, 1, 0)
    for iteration in range(2):
        em.step(*batch(iteration), iteration)
        assert float(em.mixtures.weights[1, 0]) < 1e-5
    em.step(*batch(2), 2)
    assert em.reseeded == 1
    assert float(em.mixtures.weights[1, 0]) > 0.1
    torch.testing.assert_close(em.mixtures.weights.sum(dim=1), torch.ones(CLASSES))


def test_zero_patience_never_reseeds() -> None:
    em = learner(assignment="vanilla", reseed_after=0)
    kill(em, 1, 0)
    for iteration in range(6):
        em.step(*batch(iteration), iteration)
    assert em.reseeded == 0 and bool((em.mixtures.means[1, 0] == 1e3).all())


@pytest.mark.parametrize("preset", ["paper", "official"])
@pytest.mark.parametrize("memory_dtype", ["float32", "float16"])
def test_training_goes_on_to_the_bit_from_a_restored_state(preset: str, memory_dtype: str) -> None:
    changes = {"preset": preset, "component_loss_weight": 0.0, "memory_dtype": memory_dtype, "reseed_after": 3}
    first, second = learner(0, **changes), learner(1, **changes)
    for iteration in range(5):
        first.step(*batch(iteration), iteration)
    second.mixtures.load_state_dict(first.mixtures.state_dict())
    second.load_training_state(copy.deepcopy(first.training_state()))
    for iteration in range(5, 12):
        first.step(*batch(iteration), iteration)
        second.step(*batch(iteration), iteration)
        for name, value in first.mixtures.state_dict().items():
            assert torch.equal(value, second.mixtures.state_dict()[name])
        assert first.log_likelihood == second.log_likelihood
    for name, value in first.training_state().items():
        assert torch.equal(value, second.training_state()[name])


def test_a_training_state_of_other_mixtures_is_refused() -> None:
    first, second = learner(), learner(components=3)
    first.step(*batch(0), 0)
    with pytest.raises(InputError, match="resume with the config it came from"):
        second.load_training_state(first.training_state())
    with pytest.raises(InputError, match="resume with the config it came from"):
        second.load_training_state({})
    with pytest.raises(InputError, match="resume with the config it was made with"):
        learner(memory_dtype="float16").load_training_state(first.training_state())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_named(value: float) -> None:
    em = learner()
    features, labels, correct = batch(0)
    features[0, 0, 3, 3] = value
    before = em.mixtures.means.clone()
    with pytest.raises(InputError, match="NaN or infinite values in training iteration 7"):
        em.step(features, labels, correct, 7)
    assert torch.equal(em.mixtures.means, before)


@pytest.mark.parametrize("preset", ["paper", "official"])
def test_a_batch_without_labels_changes_nothing(preset: str) -> None:
    em = learner(preset=preset, component_loss_weight=0.0)
    features, labels, correct = batch(0)
    em.step(features, labels, correct, 0)
    before = {name: value.clone() for name, value in em.mixtures.state_dict().items()}
    fill = em.memory.fill.clone()
    targets = em.step(features, torch.full_like(labels, IGNORED), correct, 5)
    assert targets is None or bool((targets == IGNORED).all())
    assert all(torch.equal(value, before[name]) for name, value in em.mixtures.state_dict().items())
    assert torch.equal(em.memory.fill, fill)


def test_at_most_so_many_pixels_of_each_class_and_image_take_part() -> None:
    em = learner(pixels_per_class_and_image=3, memory_size=1000)
    em.step(*batch(0), 0)
    assert em.memory.fill.reshape(CLASSES, COMPONENTS).sum(dim=1).tolist() == [6, 6, 6]


def test_a_warm_start_goes_on_from_the_potentials_before_and_first_from_zeros() -> None:
    em = learner(sinkhorn_iterations=3)
    expected = torch.zeros(CLASSES, COMPONENTS, dtype=torch.float64)
    for iteration in range(3):
        features, labels, correct = batch(iteration)
        own = labels.flatten() >= 0
        pixels, own_labels = rows(features)[own], labels.flatten()[own]
        density = torch.stack(
            [
                reference_log_density(pixel[None], int(label), em.mixtures)[0]
                for pixel, label in zip(pixels, own_labels, strict=True)
            ]
        )
        expected = sinkhorn_potentials(density, own_labels, CLASSES, iterations=3, start=expected)
        em.step(features, labels, correct, iteration)
        assert em.potentials is not None
        torch.testing.assert_close(em.potentials, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("warm", [True, False])
def test_components_share_their_class_equally_at_the_settings_of_the_paper(warm: bool) -> None:
    """On directions with deviations of 0.1 and groups of very different size, where costs differ by tens of nats."""
    em = learner(components=4, sinkhorn_warm_start=warm, memory_size=200)
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(CLASSES, 4, DIMENSIONS, generator=generator), dim=2)
    worst = []
    for iteration in range(40):
        labels = torch.randint(CLASSES, (1, 20, 20), generator=generator)
        group = torch.multinomial(torch.tensor([0.7, 0.2, 0.07, 0.03]), 400, True, generator=generator).reshape(
            1, 20, 20
        )
        noise = 0.1 * torch.randn(1, 20, 20, DIMENSIONS, generator=generator)
        features = torch.nn.functional.normalize(centres[labels, group] + noise, dim=3).permute(0, 3, 1, 2)
        em.step(features, labels, torch.ones_like(labels, dtype=torch.bool), iteration)
        assignment = em._assign(rows(features), labels.flatten())
        shares = torch.stack([assignment[labels.flatten() == label].mean(dim=0) for label in range(CLASSES)])
        worst.append(float((shares - 0.25).abs().max()))
    late = sum(worst[20:]) / 20
    assert late < 0.1 if warm else late > 0.15
