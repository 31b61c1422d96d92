"""The queues beside a list of deques."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmmseg.errors import InputError
from gmmseg.memory import FeatureMemory

CPU = torch.device("cpu")
CLASSES, COMPONENTS, DIMENSIONS = 2, 3, 4
QUEUES = CLASSES * COMPONENTS


class Plain:
    """The same queues as Python deques of what storage keeps of a feature."""

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        self.queues: list[deque[Tensor]] = [deque(maxlen=size) for _ in range(QUEUES)]
        self.dtype = dtype

    def push(self, features: Tensor, components: Tensor) -> None:
        for feature, component in zip(features, components.tolist(), strict=True):
            self.queues[component].append(feature.to(self.dtype))

    def clear(self, queues: Tensor) -> None:
        for queue in torch.nonzero(queues).flatten().tolist():
            self.queues[queue].clear()


def memory_of(size: int, dtype: torch.dtype = torch.float32) -> FeatureMemory:
    return FeatureMemory(CLASSES, COMPONENTS, DIMENSIONS, size, dtype=dtype)


def drawn(seed: int, number: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(number, DIMENSIONS, generator=generator) + 3
    return features, torch.randint(QUEUES, (number,), generator=generator)


def contents(memory: FeatureMemory) -> list[Tensor]:
    """Return each queue from its oldest feature to its newest, read from the state it would be saved as."""
    state = memory.state()
    if not state:
        return [torch.zeros(0, DIMENSIONS)] * QUEUES
    found = []
    for queue in range(QUEUES):
        fill, following = int(state["fill"][queue]), int(state["next"][queue])
        start = following if fill == memory.size else 0
        found.append(state["stored"][queue, :fill].roll(-start, dims=0))
    return found


def assert_same(memory: FeatureMemory, plain: Plain) -> None:
    assert memory.fill.tolist() == [len(queue) for queue in plain.queues]
    moments = memory.moments(CPU)
    assert moments.mass.shape == (CLASSES, COMPONENTS) and moments.total.shape == (CLASSES, COMPONENTS, DIMENSIONS)
    for index, (found, queue) in enumerate(zip(contents(memory), plain.queues, strict=True)):
        expected = torch.stack(list(queue)) if queue else torch.zeros(0, DIMENSIONS, dtype=plain.dtype)
        assert torch.equal(found.to(plain.dtype), expected)
        exact = expected.double()
        own = divmod(index, COMPONENTS)
        assert float(moments.mass[own]) == len(queue)
        scale = max(float(exact.abs().sum()), 1.0)
        torch.testing.assert_close(moments.total[own], exact.sum(dim=0), rtol=1e-9, atol=1e-12 * scale)
        torch.testing.assert_close(moments.square[own], exact.square().sum(dim=0), rtol=1e-9, atol=1e-12 * scale)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 6),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    st.lists(st.one_of(st.integers(0, 40), st.just("clear"), st.just("reload")), max_size=12),
)
def test_any_pushes_leave_what_deques_hold(seed: int, size: int, dtype: torch.dtype, steps: list[int | str]) -> None:
    memory, plain = memory_of(size, dtype), Plain(size, dtype)
    for index, step in enumerate(steps):
        if step == "clear":
            cleared = torch.rand(QUEUES, generator=torch.Generator().manual_seed(seed + index)) < 0.5
            memory.clear(cleared)
            plain.clear(cleared)
        elif step == "reload":
            state, memory = memory.state(), memory_of(size, dtype)
            memory.load_state(state, CPU)
        else:
            assert isinstance(step, int)
            features, components = drawn(seed + index, step)
            memory.push(features, components)
            plain.push(features, components)
        assert_same(memory, plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_moments_do_not_drift_over_hundreds_of_pushes(dtype: torch.dtype, scale: float) -> None:
    memory, plain = memory_of(37, dtype), Plain(37, dtype)
    for step in range(400):
        features, components = drawn(step, 50, scale)
        memory.push(features, components)
        plain.push(features, components)
    assert memory.fill.tolist() == [37] * QUEUES
    assert_same(memory, plain)


def test_more_than_the_size_at_once_keeps_the_last() -> None:
    memory = memory_of(3)
    features = torch.arange(8.0)[:, None].expand(8, DIMENSIONS)
    memory.push(features, torch.full((8,), 4))
    assert contents(memory)[4][:, 0].tolist() == [5.0, 6.0, 7.0]
    memory.push(features[:1], torch.full((1,), 4))
    assert contents(memory)[4][:, 0].tolist() == [6.0, 7.0, 0.0]
    assert memory.moments(CPU).total[1, 1].tolist() == [13.0] * DIMENSIONS


def test_nothing_entered_is_nothing_kept() -> None:
    memory = memory_of(3)
    memory.push(torch.zeros(0, DIMENSIONS), torch.zeros(0, dtype=torch.int64))
    assert memory.state() == {} and memory.fill.tolist() == [0] * QUEUES
    memory.clear(torch.ones(QUEUES, dtype=torch.bool))
    assert all(float(value.abs().sum()) == 0 for value in memory.moments(CPU))


def test_what_is_entered_is_copied() -> None:
    memory = memory_of(3)
    features = torch.ones(1, DIMENSIONS)
    memory.push(features, torch.tensor([0]))
    features.zero_()
    assert contents(memory)[0].tolist() == [[1.0] * DIMENSIONS]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_restored_memory_goes_on_identically(dtype: torch.dtype) -> None:
    memory = memory_of(5, dtype)
    for step in range(7):
        memory.push(*drawn(step, 9))
    state = memory.state()
    restored = memory_of(5, dtype)
    restored.load_state(state, CPU)
    before = {name: value.clone() for name, value in state.items()}
    for step in range(7, 20):
        memory.push(*drawn(step, 9))
        restored.push(*drawn(step, 9))
        for one, other in zip(memory.moments(CPU), restored.moments(CPU), strict=True):
            assert torch.equal(one, other)
    assert all(torch.equal(memory.state()[name], restored.state()[name]) for name in state)
    # The state was a copy on both sides.
    assert all(torch.equal(state[name], before[name]) for name in state)


def test_a_state_is_as_long_as_the_longest_queue_and_holds_nothing_by_chance() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        # Now memory that nobody wrote is NaN.
        memory = memory_of(100)
        memory.push(torch.ones(3, DIMENSIONS), torch.tensor([0, 0, 1]))
    finally:
        torch.use_deterministic_algorithms(False)
    stored = memory.state()["stored"]
    assert stored.shape == (QUEUES, 2, DIMENSIONS)
    assert float(stored.sum()) == 3 * DIMENSIONS


def test_an_empty_state_empties() -> None:
    memory = memory_of(3)
    memory.push(*drawn(0, 5))
    memory.load_state({}, CPU)
    assert memory.fill.tolist() == [0] * QUEUES
    assert float(memory.moments(CPU).mass.sum()) == 0


@pytest.mark.parametrize(
    "other",
    [
        FeatureMemory(3, COMPONENTS, DIMENSIONS, 5),
        FeatureMemory(CLASSES, COMPONENTS, DIMENSIONS + 1, 5),
        FeatureMemory(CLASSES, COMPONENTS, DIMENSIONS, 4),
        FeatureMemory(CLASSES, COMPONENTS, DIMENSIONS, 5, dtype=torch.float16),
    ],
    ids=["classes", "dimensions", "smaller", "dtype"],
)
def test_a_state_that_does_not_fit_is_refused(other: FeatureMemory) -> None:
    memory = memory_of(5)
    memory.push(torch.ones(40, DIMENSIONS), torch.arange(40) % QUEUES)
    with pytest.raises(InputError, match="resume with the config it was made with"):
        other.load_state(memory.state(), CPU)
    assert int(other.fill.sum()) == 0


def test_a_larger_memory_goes_on_from_a_smaller_one_or_says_why_not() -> None:
    """A queue that has wrapped around starts in the middle, which a longer one cannot go on from."""
    memory, plain, larger = memory_of(4), Plain(8, torch.float32), memory_of(8)
    features, components = drawn(0, 12)
    memory.push(features[:3], components[:3])
    plain.push(features[:3], components[:3])
    larger.load_state(memory.state(), CPU)
    larger.push(features, components)
    plain.push(features, components)
    assert_same(larger, plain)

    memory.push(torch.ones(6, DIMENSIONS), torch.zeros(6, dtype=torch.int64))
    with pytest.raises(InputError, match="resume with the config it was made with"):
        memory_of(8).load_state(memory.state(), CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_filling_with_directions(dtype: torch.dtype) -> None:
    memory = memory_of(50, dtype)
    memory.fill_with_directions(CPU, seed=1)
    assert memory.fill.tolist() == [50] * QUEUES
    queues = contents(memory)
    for queue in queues:
        torch.testing.assert_close(queue.float().norm(dim=1), torch.ones(50), rtol=0, atol=2e-3)
        assert float(queue.float().mean(dim=0).abs().max()) < 0.4
    assert len({float(queue[0, 0]) for queue in queues}) == QUEUES
    plain = Plain(50, dtype)
    for index, queue in enumerate(queues):
        plain.push(queue, torch.full((50,), index))
    assert_same(memory, plain)
    # The first to come is the first to go.
    features, components = drawn(0, 20)
    memory.push(features, components)
    plain.push(features, components)
    assert_same(memory, plain)
    again = memory_of(50, dtype)
    again.fill_with_directions(CPU, seed=1)
    assert all(torch.equal(one, other) for one, other in zip(contents(again), queues, strict=True))
