"""The sample of pixels is the one with the smallest keys, however its images come together."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.scores.pixel_sample import PER_IMAGE, merged_samples, pixel_keys, sample_of_image


def of_image(name: str, pixels: int, kept: float = 1.0) -> dict[str, torch.Tensor]:
    """Return the sample of an image whose pixels say which they are."""
    values = torch.stack([torch.full((pixels,), float(sum(name.encode()))), torch.arange(float(pixels))])
    return sample_of_image(values, torch.arange(pixels) < kept * pixels, name)


@given(st.permutations(range(6)), st.integers(1, 250), st.integers(1, 5))
@settings(max_examples=60)
def test_the_sample_does_not_depend_on_the_order_or_on_who_merges(order, limit, split):
    parts = [of_image(f"frame_{index}", 10 + 12 * index) for index in range(6)]
    merge = lambda before, more: merged_samples(before, more, limit)  # noqa: E731
    keys = np.concatenate([pixel_keys(f"frame_{index}", 10 + 12 * index) for index in range(6)])
    pixels = torch.cat([of_all(f"frame_{index}", 10 + 12 * index) for index in range(6)])
    expected = pixels[torch.from_numpy(np.argsort(keys)[:limit])]
    mixed = [parts[index] for index in order]
    one = reduce(merge, mixed)
    two = merge(reduce(merge, mixed[:split]), reduce(merge, mixed[split:]))
    for found in (one, two):
        assert torch.equal(found["pixels"], expected)
        assert torch.equal(found["key"], torch.from_numpy(np.sort(keys)[:limit]))


def of_all(name: str, pixels: int) -> torch.Tensor:
    """Return all pixels of `of_image`, by position."""
    return torch.stack([torch.full((pixels,), float(sum(name.encode()))), torch.arange(float(pixels))], dim=1)


def test_a_smaller_sample_is_the_start_of_a_larger_one():
    parts = [of_image(str(index), 200) for index in range(5)]
    large = reduce(lambda before, more: merged_samples(before, more, 300), parts)
    for limit in (1, 20, 299):
        small = reduce(lambda before, more, limit=limit: merged_samples(before, more, limit), parts)
        assert torch.equal(small["pixels"], large["pixels"][:limit])


def test_only_what_may_be_drawn_is_drawn_and_an_image_adds_a_bounded_number():
    half = of_image("a", 50, kept=0.5)
    assert sorted(half["pixels"][:, 1].tolist()) == list(range(25))
    assert len(of_image("a", 3 * PER_IMAGE)["key"]) == PER_IMAGE
    nothing = of_image("a", 50, kept=0.0)
    assert nothing["pixels"].shape == (0, 2)
    assert torch.equal(merged_samples(nothing, half, 10)["pixels"], half["pixels"][:10])
    assert torch.equal(merged_samples(half, nothing, 10)["pixels"], half["pixels"][:10])


def test_keys_are_even_and_fixed_for_ever():
    keys = pixel_keys("aachen_000000", 20_000)
    assert abs(keys.mean() - 0.5) < 0.01 and keys.min() >= 0 and keys.max() < 1
    counts, _ = np.histogram(keys, 20, (0, 1))
    assert counts.min() > 850 and counts.max() < 1150
    assert abs(np.corrcoef(keys[:-1], keys[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(keys, pixel_keys("aachen_000001", 20_000))[0, 1]) < 0.03
    # A longer image begins with the same keys, and no two pixels share one.
    assert np.array_equal(pixel_keys("aachen_000000", 5), keys[:5])
    assert all(one < other for one, other in pairwise(np.sort(keys)))
    assert keys[:3].tolist() == [0.290251149288448, 0.4421081748487311, 0.12629796252571612]
