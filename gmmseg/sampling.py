"""Which pixels take part in EM and enter the memory: drawn by a seed and the labels alone, or at even distances."""

from __future__ import annotations

import torch
from torch import Tensor

from gmmseg.errors import InputError

IGNORED = -1
"""The label of a pixel that belongs to no class."""


def check_labels(labels: Tensor, classes: int, ignore_index: int) -> None:
    """Raise InputError for a label outside [0, classes) other than `ignore_index`."""
    wrong = (labels != ignore_index) & ((labels < 0) | (labels >= classes))
    if bool(wrong.any()):
        raise InputError(
            f"a training label has the value {int(labels[wrong][0])}, but the network has {classes} classes and "
            f"ignores {ignore_index}; check num_classes, ignore_index and reduce_zero_label of the config."
        )


def labels_at(labels: Tensor, size: tuple[int, int], classes: int, ignore_index: int) -> Tensor:
    """Resize labels (B, H, W) to the features' (h, w) by the nearest neighbour; pixels of no class become IGNORED.

    Raises InputError for a label outside [0, classes) other than `ignore_index`.
    """
    check_labels(labels, classes, ignore_index)
    clean = labels.masked_fill(labels == ignore_index, IGNORED)
    return nearest(clean, size)


def nearest(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps (..., H, W) to `size` (h, w) by the nearest neighbour.

    That is what interpolation by `nearest` means; torch rounds the ratio, which at odd sizes can miss by a pixel.
    """
    rows = torch.arange(size[0], device=maps.device) * maps.shape[-2] // size[0]
    columns = torch.arange(size[1], device=maps.device) * maps.shape[-1] // size[1]
    return maps[..., rows[:, None], columns]


def draw_per_group(groups: Tensor, count: int, keys: Tensor) -> Tensor:
    """Return the indices, ascending, of at most `count` members of each group, those with the smallest keys.

    groups: (N,) int64, negative for those that may not be drawn; keys: (N,) float64 in [0, 1).
    """
    candidates = torch.nonzero(groups >= 0).flatten()
    order = candidates[(groups[candidates] + keys[candidates]).argsort()]
    return order[_places(groups[order]) < count].sort().values


def draw_per_class_and_image(labels: Tensor, count: int, *, seed: int, first_image: int) -> Tensor:
    """Return flat indices of at most `count` pixels of each class and image of `labels` (B, h, w) (section 3.3).

    first_image: index of the first image in the batch of all processes; image i draws from (seed, first_image + i), so
    one process draws the same pixels as several that share its batch.
    """
    images, pixels = len(labels), labels[0].numel()
    keys = torch.stack([_keys(pixels, seed, first_image + image) for image in range(images)]).to(labels.device)
    per_image = int(labels.max()) + 1 if labels.numel() else 1
    image = torch.arange(images, device=labels.device)[:, None]
    flat = labels.reshape(images, pixels)
    groups = torch.where(flat >= 0, flat + image * max(per_image, 1), IGNORED)
    return draw_per_group(groups.flatten(), count, keys.flatten())


def spaced_per_component(components: Tensor, count: int | None, counts: Tensor, rank: int) -> Tensor:
    """Return indices, ascending, of those pixels of this process that are among `count` of each component; None: all.

    Where all processes together have more pixels of a component, `count` are taken at even distances, from the first
    to the last, as the official code does, and whichever process holds them.
    components: (N,) int64, negative for pixels that may not enter; counts: (P, C M), how many each process has.
    """
    candidates = torch.nonzero(components >= 0).flatten()
    if count is None:
        return candidates
    order = candidates[components[candidates].argsort(stable=True)]
    own = components[order]
    place = counts[:rank].sum(dim=0)[own] + _places(own)
    last = (counts.sum(dim=0) - 1)[own]
    # The only one of the `count` whose distance, rounded down, may be at this place.
    closest = -(-place * (count - 1) // last.clamp(min=1))
    taken = (closest < count) & (closest * last // max(count - 1, 1) == place)
    return order[taken | (last < count)].sort().values


def _places(groups: Tensor) -> Tensor:
    """Return how many of the same group come before each of `groups` (N,), whose equal ones are neighbours."""
    _, sizes = torch.unique_consecutive(groups, return_counts=True)
    starts: Tensor = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return torch.arange(len(groups), device=groups.device) - starts


def _keys(number: int, *seeds: int) -> Tensor:
    """Return uniform keys (number,) float64 on the CPU, the same for the same seeds on every machine."""
    generator = torch.Generator().manual_seed(hash_seeds(*seeds))
    return torch.rand(number, generator=generator, dtype=torch.float64)


def hash_seeds(*seeds: int) -> int:
    """Mix several seeds into one, so that neighbouring numbers give unrelated draws."""
    mixed = 0
    for seed in seeds:
        mixed = ((mixed ^ (seed & 0xFFFFFFFF)) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 29
    return mixed >> 1
