"""Reliability bins: how confident the pixels of a bin are, and how often they are right.

Sums run over integers: a probability or a loss counts as the nearest multiple of 2^-30. Integers add up to the same
result in whatever order and grouping, which floating-point numbers do not, and each value is off by at most 2^-31. So
are means over pixels and hence all calibration errors: less than 4.7e-10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 2.0**30
"""Steps in 1. A float64 sum over up to 2^23 probabilities in steps is exact, and so is `np.bincount` with weights."""

_CELLS = 2**14
_OCTAVES = range(14, 40)
_CELLS_PER_OCTAVE = 64


@dataclass(frozen=True)
class ReliabilityBins:
    """What a reliability diagram draws; bin i holds edges[i] <= confidence < edges[i + 1], the last one also 1.

    edges: (bins + 1,) float64 from 0 to 1, ascending, and equal around a bin without width. counts: (bins,) int64,
    pixels in the bin. confidence: (bins,) float64, their mean confidence. accuracy: (bins,) float64, the share
    of them that is right. Both are NaN where a bin is empty. In the bins of one class, confidence is the probability of
    the class, whether or not it is the largest one, and accuracy the share of pixels that are labelled so.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def expected_calibration_error(bins: ReliabilityBins) -> float:
    """Return the mean distance of accuracy and confidence, each bin weighted by its pixels, one or more in all.

    Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015; Guo et al., "On
    calibration of modern neural networks", ICML 2017.
    """
    gaps = np.nan_to_num(np.abs(bins.accuracy - bins.confidence))
    return float((gaps * bins.counts).sum() / bins.counts.sum())


def maximum_calibration_error(bins: ReliabilityBins) -> float:
    """Return the largest distance of accuracy and confidence in a bin with pixels; sources as above."""
    return float(np.nanmax(np.abs(bins.accuracy - bins.confidence)))


@dataclass
class BinSums:
    """Sums over the pixels of each bin, (n,): how many, how many of them are right, and their confidence in steps.

    steps is int64 within an image, which may have up to 2^33 pixels, and holds Python integers in a sum over images.
    """

    counts: NDArray[np.int64]
    hits: NDArray[np.int64]
    steps: NDArray[np.int64] | NDArray[np.object_]

    @classmethod
    def empty(cls, n: int) -> BinSums:
        """Return n bins without any pixel, whose sums may grow without bound."""
        return cls(np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, 0, object))

    def __add__(self, other: BinSums) -> BinSums:
        return BinSums(self.counts + other.counts, self.hits + other.hits, self.steps + other.steps)

    def __getitem__(self, bins: slice) -> BinSums:
        return BinSums(self.counts[bins], self.hits[bins], self.steps[bins])

    def grouped(self, edges: NDArray[np.float64], cuts: NDArray[np.intp]) -> ReliabilityBins:
        """Join bins between the edges (n + 1,) into wider ones, the i-th from edge cuts[i] to edge cuts[i + 1]."""
        counts, hits, steps = (_between(sums, cuts) for sums in (self.counts, self.hits, self.steps))
        return ReliabilityBins(
            edges=edges[cuts],
            counts=counts.astype(np.int64),
            confidence=np.array([_ratio(sum_, int(STEPS) * n) for sum_, n in zip(steps, counts, strict=True)]),
            accuracy=np.array([_ratio(sum_, n) for sum_, n in zip(hits, counts, strict=True)]),
        )


def sums_by_confidence(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], edges: NDArray[np.float64]
) -> BinSums:
    """Sum up to 2^23 pixels by their confidence (n,), and whether they are right (n,), in bins between the edges."""
    bins = len(edges) - 1
    index = np.searchsorted(edges[1:-1], confidence, side="right")
    steps = np.bincount(index, weights=np.rint(confidence * STEPS), minlength=bins)
    return BinSums(
        counts=np.bincount(index, minlength=bins),
        hits=np.bincount(index[right], minlength=bins),
        steps=steps.astype(np.int64),
    )


def sums_by_class(probabilities: NDArray[np.float64], label: NDArray[np.intp], edges: NDArray[np.float64]) -> BinSums:
    """Sum up to 2^23 pixels by each class's probability (classes, n); bins of the first class come first."""
    (n_classes, n_pixels), bins, inner = probabilities.shape, len(edges) - 1, edges[1:-1]
    shape, size = (n_classes, bins), n_classes * bins
    all_steps = np.rint(probabilities * STEPS)
    # Few classes of a pixel leave the lowest bin: only those are looked up, and the lowest takes what is missing.
    high = np.flatnonzero(probabilities >= edges[1])
    index = high // n_pixels * bins + np.searchsorted(inner, probabilities.ravel()[high], side="right")
    counts = np.bincount(index, minlength=size).reshape(shape)
    steps = np.bincount(index, weights=all_steps.ravel()[high], minlength=size).reshape(shape).astype(np.int64)
    counts[:, 0] += n_pixels - counts.sum(axis=1)
    steps[:, 0] += all_steps.sum(axis=1).astype(np.int64) - steps.sum(axis=1)
    of_label = probabilities[label, np.arange(n_pixels)]
    hits = np.bincount(label * bins + np.searchsorted(inner, of_label, side="right"), minlength=size)
    return BinSums(counts.ravel(), hits, steps.ravel())


def equal_width_edges(bins: int) -> NDArray[np.float64]:
    """Return the edges i / bins, each rounded once, (bins + 1,) float64."""
    return np.arange(bins + 1) / bins


def confidence_cells(bins: int) -> NDArray[np.float64]:
    """Return edges of fine cells, ascending from 0 to 1, among which are all edges of as many bins of equal width.

    There are about 2^14 cells of equal width. The last of them, in which a sharp network puts most of its pixels, is
    divided further: 64 cells for each halving of 1 - confidence, down to 2^-39.
    """
    even = equal_width_edges(bins * -(-_CELLS // bins))
    gaps = np.concatenate([np.arange(1, 2, 1 / _CELLS_PER_OCTAVE) * 2.0**-octave for octave in _OCTAVES])
    fine = 1 - gaps
    return np.union1d(even, fine[fine > even[-2]])


def equal_width_cuts(edges: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Return which edges of `confidence_cells` are those of the bins of equal width, (bins + 1,)."""
    return np.searchsorted(edges, equal_width_edges(bins))


def equal_mass_cuts(counts: NDArray[np.int64], bins: int) -> NDArray[np.intp]:
    """Return between which cells bins of equal mass begin and end, (bins + 1,), the masses equal up to one cell.

    Bin i ends after the cell with which the share (i + 1) / bins of all pixels is reached. A cell that holds the mass
    of several bins is in one of them, and leaves the others empty.
    """
    reached = counts.cumsum() * bins
    wanted = np.arange(1, bins) * counts.sum()
    return np.concatenate([[0], np.searchsorted(reached, wanted) + 1, [len(counts)]])


def exact_sum(steps: NDArray[np.float64]) -> int:
    """Sum up to 2^21 finite whole numbers of any size, float64, one digit in base 2^32 at a time: none is rounded."""
    total, place = 0, 0
    while steps.any():
        carried = np.trunc(steps * 2.0**-32)
        total += int((steps - carried * 2.0**32).sum()) << place
        steps, place = carried, place + 32
    return total


def _between(sums: NDArray[np.int64] | NDArray[np.object_], cuts: NDArray[np.intp]) -> NDArray[np.object_]:
    """Sum what lies between neighbouring cuts, in Python integers."""
    running = np.concatenate([[0], sums.astype(object).cumsum()])
    return np.diff(running[cuts])


def _ratio(part: int, whole: int) -> float:
    """Divide integers of any size with one rounding; NaN where there is nothing to divide by."""
    return part / whole if whole else float("nan")
