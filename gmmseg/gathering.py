"""Collecting the pixels of all processes, so that every one of them learns the same mixtures."""

from __future__ import annotations

import torch
from mmengine import dist
from torch import Tensor


def gather_pixels(features: Tensor, labels: Tensor, marks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (N, D), labels (N,) and marks (N,) of all processes, in the order of their ranks.

    The counts may differ: each process pads to the largest count, as collective operations want equal shapes.
    """
    if dist.get_world_size() == 1:
        return features, labels, marks
    counts = [int(count) for count in dist.all_gather(torch.tensor([len(labels)], device=features.device))]
    longest = max(counts)

    def gather(values: Tensor) -> Tensor:
        padded = values.new_zeros(longest, *values.shape[1:])
        padded[: len(values)] = values
        parts = dist.all_gather(padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    return gather(features.contiguous()), gather(labels), gather(marks)


def gather_counts(counts: Tensor) -> Tensor:
    """Return the counts of all processes, in the order of their ranks, as (P, ...)."""
    return torch.stack(dist.all_gather(counts.contiguous()))
