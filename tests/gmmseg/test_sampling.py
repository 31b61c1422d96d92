"""Which pixels are drawn: a function of seeds and labels alone, and uniform."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.nn.functional import interpolate

from gmmseg.errors import InputError
from gmmseg.sampling import (
    IGNORED,
    draw_per_class_and_image,
    draw_per_group,
    hash_seeds,
    labels_at,
    spaced_per_component,
)


def drawn_labels(seed: int, images: int, height: int, width: int, classes: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(classes, (images, height, width), generator=generator)


@pytest.mark.parametrize("side", [512, 640, 768, 769, 1024, 2048])
@pytest.mark.parametrize("stride", [1, 4, 8, 16, 32])
def test_labels_at_a_network_s_stride_are_those_of_torch(side: int, stride: int) -> None:
    labels = torch.arange(side).expand(1, 3, side)
    for size in {side // stride, -(-side // stride)}:
        expected = interpolate(labels[:, None].float(), size=(2, size), mode="nearest")[:, 0].long()
        assert torch.equal(labels_at(labels, (2, size), side, -2), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_labels_at_any_size_are_the_nearest(seed: int, height: int, width: int, rows: int, columns: int) -> None:
    """Torch rounds the ratio of the sizes, so where a row lies on the border of two it may take the one before."""
    labels = drawn_labels(seed, 2, height, width)
    found = labels_at(labels, (rows, columns), 5, 255)
    sizes = ((height, rows), (width, columns))
    at = [[int(Fraction(index * whole, part)) for index in range(part)] for whole, part in sizes]
    assert torch.equal(found, labels[:, at[0]][:, :, at[1]])


def test_ignored_pixels_belong_to_no_class() -> None:
    labels = torch.tensor([[[0, 255], [1, 2]]], dtype=torch.uint8).long()
    assert labels_at(labels, (2, 2), 3, 255).tolist() == [[[0, IGNORED], [1, 2]]]
    # An ignored value may be a class's number, or below zero.
    assert labels_at(labels.clamp(max=2), (2, 2), 3, 2).tolist() == [[[0, IGNORED], [1, IGNORED]]]
    assert labels_at(torch.full((1, 2, 2), -100), (1, 1), 3, -100).tolist() == [[[IGNORED]]]
    assert bool((labels_at(torch.full((1, 4, 4), 255), (2, 2), 3, 255) == IGNORED).all())


@pytest.mark.parametrize("wrong", [3, 200, -1, 254])
def test_a_label_outside_the_classes_is_refused_even_between_the_pixels_taken(wrong: int) -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, 3, 3] = wrong
    with pytest.raises(InputError, match=rf"the value {wrong}.*3 classes.*ignores 255.*check num_classes"):
        labels_at(labels, (2, 2), 3, 255)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-2, 4), max_size=60), st.integers(1, 8), st.integers(0, 2**31 - 1))
def test_at_most_so_many_of_each_group_and_those_with_the_smallest_keys(
    groups: list[int], count: int, seed: int
) -> None:
    keys = torch.rand(len(groups), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = draw_per_group(torch.tensor(groups, dtype=torch.int64), count, keys)
    expected: list[int] = []
    for group in set(groups) - {-1, -2}:
        members = [index for index, own in enumerate(groups) if own == group]
        expected += sorted(members, key=lambda index: float(keys[index]))[:count]
    assert found.tolist() == sorted(expected)


def test_every_class_of_every_image_gives_its_share() -> None:
    labels = drawn_labels(0, 3, 12, 12, 4)
    labels[1][labels[1] == 2] = IGNORED
    labels[2, 0, 0], labels[2][labels[2] == 3] = 3, 0
    labels[2, 0, 0] = 3
    found = draw_per_class_and_image(labels, 7, seed=5, first_image=0)
    assert found.tolist() == sorted(set(found.tolist()))
    for image in range(3):
        own = found[(found // 144) == image] - 144 * image
        for label in range(4):
            present = int((labels[image] == label).sum())
            assert int((labels[image].flatten()[own] == label).sum()) == min(7, present)
    assert bool((labels.flatten()[found] >= 0).all())


def test_images_draw_the_same_pixels_in_one_batch_or_in_two() -> None:
    labels = drawn_labels(1, 4, 20, 20)
    whole = draw_per_class_and_image(labels, 9, seed=11, first_image=6)
    first = draw_per_class_and_image(labels[:1], 9, seed=11, first_image=6)
    rest = draw_per_class_and_image(labels[1:], 9, seed=11, first_image=7)
    assert torch.equal(whole, torch.cat([first, rest + 400]))
    assert not torch.equal(whole, draw_per_class_and_image(labels, 9, seed=12, first_image=6))
    # A class that only another image of the batch holds changes nothing.
    labels[3, 0, 0] = 40
    again = draw_per_class_and_image(labels, 9, seed=11, first_image=6)
    assert torch.equal(again[again < 1200], whole[whole < 1200])


def test_images_of_one_batch_draw_different_pixels() -> None:
    labels = torch.zeros(2, 30, 30, dtype=torch.int64)
    found = draw_per_class_and_image(labels, 50, seed=0, first_image=0)
    assert found[:50].tolist() != (found[50:] - 900).tolist()


def test_nothing_labelled_draws_nothing() -> None:
    assert draw_per_class_and_image(torch.full((2, 3, 3), IGNORED), 5, seed=0, first_image=0).tolist() == []
    for count in (None, 1, 5):
        counts = torch.zeros(1, 3, dtype=torch.int64)
        assert spaced_per_component(torch.full((4,), IGNORED), count, counts, 0).tolist() == []


def test_draws_are_uniform_over_the_pixels_of_a_class() -> None:
    labels = (torch.arange(80) % 2).reshape(1, 8, 10)
    counts = torch.zeros(80)
    for seed in range(500):
        counts[draw_per_class_and_image(labels, 4, seed=seed, first_image=seed % 3)] += 1
    for label in range(2):
        own = counts[labels.flatten() == label]
        assert float(own.sum()) == 2000
        assert chisquare(own.numpy()).pvalue > 1e-3


def test_pixels_of_a_component_are_taken_at_even_distances_over_all_processes() -> None:
    """Component 0 has eleven pixels, six and five: places 0, 10/3, 20/3 and 10 rounded down; component 1 has three."""
    first = torch.tensor([0, 1, 0, IGNORED, 0, 0, 1, 0, 0])
    second = torch.tensor([IGNORED, 0, 0, 0, 1, 0, 0])
    counts = torch.tensor([[6, 2], [5, 1]])
    assert spaced_per_component(first, 4, counts, 0).tolist() == [0, 1, 5, 6]
    assert spaced_per_component(second, 4, counts, 1).tolist() == [1, 4, 6]
    # Of one process alone; a single pixel is the first.
    assert spaced_per_component(second, 2, counts[1:], 0).tolist() == [1, 4, 6]
    assert spaced_per_component(first, 1, counts, 0).tolist() == [0, 1]
    assert spaced_per_component(second, 1, counts, 1).tolist() == []
    assert spaced_per_component(first, None, counts, 0).tolist() == [0, 1, 2, 4, 5, 6, 7, 8]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-1, 2), max_size=70), min_size=1, max_size=4),
    st.integers(1, 20),
)
def test_processes_take_what_one_would_and_never_more_than_the_cap(parts: list[list[int]], count: int) -> None:
    """Beside exact fractions, over the pixels of all processes one after another."""
    counts = torch.tensor([[part.count(component) for component in range(3)] for part in parts])
    found: list[int] = []
    for rank, part in enumerate(parts):
        begin = sum(len(before) for before in parts[:rank])
        own = spaced_per_component(torch.tensor(part, dtype=torch.int64), count, counts, rank)
        found += [begin + index for index in own.tolist()]
    whole = [component for part in parts for component in part]
    expected: list[int] = []
    for component in range(3):
        members = [index for index, own in enumerate(whole) if own == component]
        if len(members) > count:
            steps = [Fraction(index * (len(members) - 1), max(count - 1, 1)) for index in range(count)]
            members = [members[int(step)] for step in steps]
            assert len(set(members)) == count
        expected += members
    assert found == sorted(expected)


def test_twenty_pixels_are_spaced_as_torch_spaces_whole_numbers() -> None:
    for size in (21, 22, 38, 39, 40, 100, 191, 1000, 4097):
        found = spaced_per_component(torch.zeros(size, dtype=torch.int64), 20, torch.tensor([[size]]), 0)
        assert found.tolist() == torch.linspace(0, size - 1, 20, dtype=torch.int64).tolist()


def test_seeds_in_another_order_or_next_to_each_other_give_other_draws() -> None:
    seeds = {hash_seeds(first, second) for first in range(60) for second in range(60)}
    assert len(seeds) == 3600
    assert all(0 <= seed < 2**63 for seed in seeds)
    bits = torch.tensor([[seed >> bit & 1 for bit in range(20, 60)] for seed in sorted(seeds)], dtype=torch.float64)
    assert float((bits.mean(dim=0) - 0.5).abs().max()) < 0.05
