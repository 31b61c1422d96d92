"""Which image is trained on when."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmseg.training import order
from gmmseg.training.order import ResumableSampler, epoch_order, own_positions


def take(sampler: ResumableSampler, count: int, rank: int = 0, world_size: int = 1) -> list[tuple[int, int]]:
    with patch.object(order, "get_dist_info", lambda: (rank, world_size)):
        return list(islice(sampler, count))


def sampler(count: int = 7, **settings: Any) -> ResumableSampler:
    return ResumableSampler(range(count), **{"batch_size": 2, "seed": 3} | settings)


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 10**6), count=st.integers(1, 50))
def test_each_pass_over_the_images_is_a_permutation(seed: int, epoch: int, count: int) -> None:
    assert sorted(epoch_order(seed, epoch, count).tolist()) == list(range(count))


def test_the_order_is_that_of_the_seed_and_differs_from_pass_to_pass() -> None:
    orders = [tuple(epoch_order(seed, epoch, 20).tolist()) for seed in (0, 1) for epoch in range(5)]
    assert len(set(orders)) == 10
    assert orders[0] == tuple(epoch_order(0, 0, 20).tolist())


def test_a_stream_is_one_pass_after_the_other() -> None:
    indices = [index for index, _ in take(sampler(), 21)]
    passes = [indices[start : start + 7] for start in (0, 7, 14)]
    assert passes == [epoch_order(3, epoch, 7).tolist() for epoch in range(3)]


def test_without_shuffling_images_come_in_their_order() -> None:
    assert [index for index, _ in take(sampler(3, shuffle=False), 7)] == [0, 1, 2, 0, 1, 2, 0]


@given(start=st.integers(0, 100), batch_size=st.integers(1, 5), world_size=st.integers(1, 4), batches=st.integers(1, 6))
def test_the_blocks_of_all_ranks_make_up_the_global_batches(
    start: int, batch_size: int, world_size: int, batches: int
) -> None:
    ranks = [own_positions(start, batch_size, rank, world_size) for rank in range(world_size)]
    joined = [position for _ in range(batches) for rank in ranks for position in islice(rank, batch_size)]
    assert joined == list(range(start, start + batches * batch_size * world_size))


def test_two_processes_see_the_images_of_one_with_twice_the_batch() -> None:
    alone = take(sampler(batch_size=4), 16)
    first, second = (take(sampler(), 8, rank, 2) for rank in (0, 1))
    assert first[0:2] + second[0:2] + first[2:4] + second[2:4] + first[4:6] + second[4:6] == alone[:12]


@pytest.mark.parametrize("start", [1, 6, 7, 8, 30])
def test_a_resumed_sampler_goes_on_where_the_other_was(start: int) -> None:
    assert take(sampler(start=start), 20) == take(sampler(), start + 20)[start:]


def test_all_images_come_equally_often() -> None:
    assert set(Counter(index for index, _ in take(sampler(), 70)).values()) == {10}
