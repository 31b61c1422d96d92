"""Iterative boundary suppression and dilated smoothing of a score map (Jung et al., ICCV 2021, section 3.3).

Facts of the authors' release: a boundary pixel is one where the cross-shaped dilation and the square erosion of the
predicted label map differ (two pixels wide); four rounds replace the boundaries, widened by 3, 2, 1 and 0 steps of
the cross, by the mean of the non-boundary pixels around them; then a 7 x 7 Gaussian of dilation 6 smooths the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

WIDENINGS = (3, 2, 1, 0)


def class_boundaries(labels: Tensor) -> Tensor:
    """Return the boundary mask (height, width), bool, of a label map; pixels outside the map count for nothing."""
    # What lies outside never adds a class that is not there.
    padded = replicate_border(labels, 1)
    centre = padded[1:-1]
    columns = padded[:-2].maximum(padded[2:]).maximum(centre)[:, 1:-1]
    rows = centre[:, :-2].maximum(centre[:, 2:])
    dilated = columns.maximum(rows)
    smallest = padded[:-2].minimum(padded[2:]).minimum(centre)
    eroded = smallest[:, :-2].minimum(smallest[:, 2:]).minimum(smallest[:, 1:-1])
    return dilated != eroded


def widen(mask: Tensor) -> Tensor:
    """Dilate a bool mask (height, width) by the cross of 3 x 3."""
    wider = mask.clone()
    wider[1:] |= mask[:-1]
    wider[:-1] |= mask[1:]
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    return wider


def suppress_boundaries(score: Tensor, labels: Tensor) -> Tensor:
    """Replace scores on the boundaries of the predicted classes by the scores beside them.

    score: (height, width) floating point. labels: (height, width) integer. A boundary pixel without any
    non-boundary pixel in its 3 x 3 window keeps its score in that round.
    """
    masks = [class_boundaries(labels)]
    for _ in range(max(WIDENINGS)):
        masks.append(widen(masks[-1]))
    for widening in WIDENINGS:
        boundary = masks[widening]
        total = _window_sum(score.masked_fill(boundary, 0.0))
        count = _window_sum(boundary.logical_not().byte())
        score = (total / count).where(boundary & (count > 0), score)
    return score


def smooth(score: Tensor, size: int = 7, sigma: float = 1.0, dilation: int = 6) -> Tensor:
    """Filter (height, width) with a dilated Gaussian of `size` x `size` taps, the border replicated."""
    import torch

    radius = size // 2
    taps = torch.arange(size, dtype=torch.float64) - radius
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    weights = (kernel / kernel.sum()).tolist()
    reach = radius * dilation
    for dim in (0, 1):
        length = score.shape[dim]
        padded = _replicate(score, reach, dim)
        score = weights[0] * padded.narrow(dim, 0, length)
        for tap in range(1, size):
            score.add_(padded.narrow(dim, tap * dilation, length), alpha=weights[tap])
    return score


def _window_sum(values: Tensor) -> Tensor:
    """Sum over 3 x 3 windows, the border replicated."""
    for dim in (0, 1):
        padded = _replicate(values, 1, dim)
        length = values.shape[dim]
        values = padded.narrow(dim, 0, length) + padded.narrow(dim, 1, length)
        values.add_(padded.narrow(dim, 2, length))
    return values


def _replicate(values: Tensor, reach: int, dim: int) -> Tensor:
    """Pad (height, width) along one dimension by repeating the border."""
    import torch

    first, last = values.narrow(dim, 0, 1), values.narrow(dim, values.shape[dim] - 1, 1)
    shape = list(values.shape)
    shape[dim] = reach
    return torch.cat([first.expand(shape), values, last.expand(shape)], dim=dim)


def replicate_border(values: Tensor, reach: int) -> Tensor:
    """Repeat the border of (height, width) on all sides, `reach` pixels far."""
    return _replicate(_replicate(values, reach, 0), reach, 1)
