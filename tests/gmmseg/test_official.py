"""The preset `official`, beside its steps written out by hand, and over two processes."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from gmmseg.mixtures import ClassMixtures
from gmmseg.online import OnlineEM
from gmmseg.sampling import IGNORED
from gmmseg.settings import MixtureSettings
from tests.gmmseg.learners import (
    CLASSES,
    COMPONENTS,
    DIMENSIONS,
    batch,
    official,
    reference_log_density,
    rows,
    run_two_processes,
)

SIZE = 50


def component_of(pixels: Tensor, label: int, mixtures: ClassMixtures) -> Tensor:
    """Return the component of each pixel of one class: three times columns, then rows, of plain probabilities."""
    density = reference_log_density(pixels, label, mixtures)
    plan = (density / density.abs().max() / 0.05).exp()
    for _ in range(3):
        plan = plan / plan.sum(dim=0)
        plan = plan / plan.sum(dim=1, keepdim=True)
    return plan.argmax(dim=1)


def by_hand(queue: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviations after an M-step on what a queue holds."""
    direction = queue.sum(dim=0) / queue.sum(dim=0).norm()
    blended = 0.999 * mean.double() + 0.001 * direction
    return blended / blended.norm(), ((queue - direction).square().mean(dim=0) + 1e-2).sqrt()


def directions(seed: int, classes: tuple[int, ...] = (0, 1, 2), side: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    features, labels, correct = batch(seed, classes, side)
    return normalize(features, dim=1), labels, correct


def test_official_iterations_by_hand() -> None:
    """Eleven iterations with M-steps in the first, sixth and last, of rings that are overwritten.

    Class 2 is never right before the eighth, class 1 has no label in the sixth.
    """
    em = official(memory_size=SIZE)
    em.memory.fill_with_directions(torch.device("cpu"), 0)
    rings = em.memory.state()["stored"].double()
    places = [0] * len(rings)
    at_the_cap = 0
    for iteration in range(11):
        features, labels, correct = directions(iteration, (0, 2) if iteration == 5 else (0, 1, 2))
        correct &= torch.rand(labels.shape, generator=torch.Generator().manual_seed(iteration)) < 0.7
        correct &= (labels != 2) | (iteration >= 7)
        before = copy.deepcopy(em.mixtures)
        targets = em.step(features, labels, correct, iteration)
        assert targets is not None and bool(((targets == IGNORED) == (labels == IGNORED)).all())
        for label in range(CLASSES):
            own = labels.flatten() == label
            pixels, right = rows(features)[own], correct.flatten()[own]
            chosen = component_of(pixels, label, before) if len(pixels) else torch.zeros(0, dtype=torch.int64)
            assert torch.equal(targets.flatten()[own], label * COMPONENTS + chosen)
            for index in range(COMPONENTS):
                queue = label * COMPONENTS + index
                entering = pixels[(chosen == index) & right]
                if len(entering) > 20:
                    entering = entering[[step * (len(entering) - 1) // 19 for step in range(20)]]
                    at_the_cap += 1
                for pixel in entering:
                    rings[queue, places[queue]] = pixel.double()
                    places[queue] = (places[queue] + 1) % SIZE
                mean, deviation = before.means[label, index].double(), before.deviations[label, index].double()
                if iteration % 5 == 0 and len(pixels):
                    mean, deviation = by_hand(rings[queue], mean)
                found = em.mixtures.snapshot()
                torch.testing.assert_close(found.means[label, index].double(), mean, rtol=1e-5, atol=1e-6)
                torch.testing.assert_close(found.deviations[label, index].double(), deviation, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(em.memory.state()["stored"].double(), rings, rtol=0, atol=0)
    assert at_the_cap > 20
    assert em.mixtures.updates.tolist() == [[3, 3], [2, 2], [3, 3]]


def test_official_means_stay_directions() -> None:
    em = official(momentum_means=0.5, em_every=1)
    for iteration in range(10):
        em.step(*batch(iteration), iteration)
        torch.testing.assert_close(em.mixtures.means.norm(dim=2), torch.ones(CLASSES, COMPONENTS))


@pytest.mark.parametrize("start", ["random_directions", "empty"])
@pytest.mark.parametrize("batch_in_m_step", [False, True])
@pytest.mark.parametrize("right", [True, False])
def test_a_class_without_a_correct_pixel_learns_what_its_queues_hold(
    start: str, batch_in_m_step: bool, right: bool
) -> None:
    """Class 0 is wrong everywhere, class 1 may be right, class 2 has no label."""
    em = official(memory_start=start, batch_in_m_step=batch_in_m_step, em_every=1)
    features, labels, _ = directions(0, (0, 1))
    correct = (labels == 1) & torch.tensor(right)
    before = copy.deepcopy(em.mixtures)
    targets = em.step(features, labels, correct, 0)
    assert targets is not None and int((targets != IGNORED).sum()) == int((labels >= 0).sum())
    random = start == "random_directions"
    assert em.mixtures.known.tolist() == [random, random or right, False]
    queues = em.memory.state()["stored"].double() if random or right else torch.zeros(CLASSES * COMPONENTS, 0, 1)
    found = em.mixtures.snapshot()
    for index in range(COMPONENTS):
        mean, deviation = before.means[0, index].double(), torch.ones(DIMENSIONS, dtype=torch.float64)
        if random:
            assert em.memory.fill[index] == 30
            # None has entered: all are as far from the pixels as random directions are.
            assert float((queues[index][:, None] - rows(features).double()).norm(dim=2).min()) > 1e-3
            mean, deviation = by_hand(queues[index], mean)
        torch.testing.assert_close(found.means[0, index].double(), mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.deviations[0, index].double(), deviation, rtol=1e-5, atol=1e-6)
    assert torch.equal(found.means[2], before.means[2]) and bool((found.deviations[2] == 1).all())


def test_weights_of_a_class_with_nothing_to_learn_from_stay() -> None:
    em = official(memory_start="empty", em_every=1, assignment="vanilla", momentum_weights=0.0)
    em.mixtures.weights[:] = torch.tensor([0.9, 0.1])
    features, labels, _ = directions(0)
    em.step(features, labels, labels == 1, 0)
    torch.testing.assert_close(em.mixtures.weights[[0, 2]], torch.tensor([[0.9, 0.1], [0.9, 0.1]]))
    fill = em.memory.fill.reshape(CLASSES, COMPONENTS)[1].float()
    torch.testing.assert_close(em.mixtures.weights[1], fill / fill.sum())


def test_components_are_idle_without_pixels_and_not_without_correct_ones() -> None:
    """A class that is wrong everywhere has components that compete for its pixels; none of them is dead."""
    em = official(em_every=1, reseed_after=3)
    for iteration in range(8):
        features, labels, _ = directions(iteration)
        em.step(features, labels, labels == 1, iteration)
        assert em.idle.tolist() == [[0] * COMPONENTS] * CLASSES and bool(em.live().all())
    assert em.reseeded == 0


@pytest.mark.parametrize("seed", [0, 3])
def test_classes_that_are_never_right_at_first_get_known(seed: int) -> None:
    """Six groups on a sphere, each with 0.6 times the pixels of the one before; momentum in proportion to the time."""
    torch.manual_seed(seed)
    chosen = {"preset": "official", "dimensions": 16, "memory_size": 100, "momentum_means": 0.9}
    settings = MixtureSettings.from_config(chosen)
    mixtures = ClassMixtures(6, settings.components, 16)
    em = OnlineEM(mixtures, settings)
    generator = torch.Generator().manual_seed(seed + 10)
    centres = normalize(torch.randn(6, 16, generator=generator), dim=1)
    shares = 0.6 ** torch.arange(6.0)
    recalls = []
    for iteration in range(101):
        labels = torch.multinomial(shares, 576, replacement=True, generator=generator).reshape(1, 24, 24)
        noise = 0.125 * torch.randn(1, 24, 24, 16, generator=generator)
        features = normalize(centres[labels] + noise, dim=3).permute(0, 3, 1, 2).contiguous()
        correct = mixtures.class_log_density(mixtures(features)).argmax(dim=1) == labels
        recalls.append([float(correct[labels == label].float().mean()) for label in range(6)])
        if iteration == 20:
            assert bool(mixtures.known.all())
        em.step(features, labels, correct, iteration)
    assert sum(recall < 0.01 for recall in recalls[0]) >= 2
    assert min(recalls[-1]) > 0.9


# Three iterations of a batch of four images, in halves over two processes.
PROCESS = """
import sys
import torch
from gmmseg.mixtures import ClassMixtures
from gmmseg.online import OnlineEM
from gmmseg.settings import MixtureSettings

def learn(components, size, batches, part):
    torch.manual_seed(0)
    chosen = {"preset": "official", "components": components, "dimensions": 4, "memory_size": size, "em_every": 2}
    em = OnlineEM(ClassMixtures(3, components, 4), MixtureSettings.from_config(chosen))
    targets = [em.step(*(value[part] for value in batch), iteration) for iteration, batch in enumerate(batches)]
    return {"targets": targets, "idle": em.idle, **em.mixtures.state_dict(), **em.memory.state()}

if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), sys.argv[2]
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    batches = torch.load(f"{folder}/batches.pth")
    half = slice(2 * rank, 2 * rank + 2)
    torch.save([learn(components, 90, batches, half) for components in (1, 2)], f"{folder}/{rank}.pth")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_two_processes_learn_what_one_would_with_one_cap(tmp_path: Path) -> None:
    """With one Gaussian a class nothing is assigned; with two each process assigns its pixels, as the official code."""
    batches = []
    for iteration in range(3):
        halves = [directions(2 * iteration + rank, ((0, 1), (0, 2))[rank], 16) for rank in (0, 1)]
        features, labels, correct = (torch.cat(values) for values in zip(*halves, strict=True))
        correct &= torch.rand(labels.shape, generator=torch.Generator().manual_seed(iteration)) < 0.6
        # Class 2 is never right and lies in the second process alone.
        batches.append((features, labels, correct & (labels != 2)))
    torch.save(batches, tmp_path / "batches.pth")
    first, second = run_two_processes(PROCESS, tmp_path)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.items() if name != "targets")

    space: dict[str, object] = {"__name__": "learning"}
    exec(PROCESS, space)
    alone = space["learn"](1, 90, batches, slice(0, 4))  # type: ignore[operator]
    for name, value in alone.items():
        assert name == "targets" or torch.equal(value, first[0][name]), name
    # Class 2 has learnt in the first and third iteration, from random directions alone.
    assert alone["updates"].tolist() == [[2], [2], [2]] and alone["next"].tolist() == [60, 60, 0]

    stored, begin = first[1]["stored"], [0] * 6
    for iteration, (features, _, correct) in enumerate(batches):
        targets = torch.cat([first[1]["targets"][iteration], second[1]["targets"][iteration]])
        for queue in range(6):
            entering = rows(features)[(targets.flatten() == queue) & correct.flatten()]
            if len(entering) > 20:
                entering = entering[[step * (len(entering) - 1) // 19 for step in range(20)]]
            end = begin[queue] + len(entering)
            assert torch.equal(stored[queue, begin[queue] : end], entering)
            begin[queue] = end
    assert first[1]["next"].tolist() == begin and max(begin) == 60
