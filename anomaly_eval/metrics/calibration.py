"""Calibration of closed-set predictions, of pooled pixels: ECE, MCE, adaptive and class-wise ECE, Brier score, NLL.

All are means over integers that are counted image by image (see `reliability`): memory does not grow with the images,
and the order in which images come, or are merged, changes no bit. Probabilities come from logits by a softmax in
float64, and the log-likelihood from the logits directly, so that it is finite where a probability rounds to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.reliability import (
    STEPS,
    BinSums,
    ReliabilityBins,
    confidence_cells,
    equal_mass_cuts,
    equal_width_cuts,
    equal_width_edges,
    exact_sum,
    expected_calibration_error,
    maximum_calibration_error,
    sums_by_class,
    sums_by_confidence,
)

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a pixel may be from a sum of 1; rounding to float16 takes up half of it."""

_PIXELS_PER_BAND = 2**15
_LARGEST_LOGIT = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class CalibrationMetrics:
    """Calibration of all pixels that are not void; within 4.7e-10 of what float64 probabilities give.

    ece, mce: expected and maximum calibration error of the predicted class in bins of equal width (Guo et al., ICML
    2017). adaptive_ece: the expected one in as many bins of equal mass, whose edges fall on fine cells of confidence,
    so that masses are equal up to a cell (Nixon et al., "Measuring calibration in deep learning", CVPR workshops 2019).
    classwise_ece: the mean over all classes of class_ece (classes,), the expected error of a class's probability at all
    pixels, in bins of equal width (Kull et al., "Beyond temperature scaling", NeurIPS 2019; `static` in Nixon et al.).
    brier: the mean over pixels of the squared error summed over classes, in [0, 2] (Brier, Monthly Weather Review
    1950). nll: the mean negative log-likelihood of the label in nats; infinite where probabilities gave a label 0.

    reliability, adaptive_reliability: the bins behind ece and mce, and behind adaptive_ece. class_reliability: those
    behind class_ece.
    """

    ece: float
    mce: float
    adaptive_ece: float
    classwise_ece: float
    brier: float
    nll: float
    n_pixels: int
    class_ece: NDArray[np.float64]
    reliability: ReliabilityBins
    adaptive_reliability: ReliabilityBins
    class_reliability: tuple[ReliabilityBins, ...]


class CalibrationState:
    """Counts image by image, merges with the state of other images, and computes the metrics.

    Bins are [i / bins, (i + 1) / bins), the last one with 1. torchmetrics (1.9) has the same, but rounds confidences to
    float32 and counts those that then are 1 in a bin of their own, after the last one, so that its error is as large or
    larger; and its float32 sums drift with millions of pixels.
    The prediction is the class with the largest logit, or probability; the first of equal ones.
    """

    def __init__(self, n_classes: int, bins: int = 15) -> None:
        """Start without any pixel; raises ValueError for classes that no label can hold and for fewer than one bin."""
        if not 0 < n_classes <= VOID:
            raise ValueError(f"{n_classes} classes cannot be counted, 1 to {VOID} can")
        if bins < 1:
            raise ValueError(f"{bins} bins cannot be filled, 1 or more can")
        self.n_classes, self.bins = n_classes, bins
        self._cells = confidence_cells(bins)
        self._sums = _Sums(BinSums.empty(len(self._cells) - 1), BinSums.empty(n_classes * bins), 0, 0, 0)

    def update(self, logits: Tensor | NDArray[np.floating], label: NDArray[np.uint8]) -> None:
        """Add an image, or a band of it: logits or log-probabilities (classes, h, w) and class ids (h, w), uint8.

        The logits may be of any floating type, on any device. 255 in the label is void; logits of void pixels may be
        anything. Raises ValueError for other shapes, for a label that is no class, and for logits that are NaN or do
        not fit float32, infinities among them; then nothing is added.
        """
        self._add(_from_logits, logits, label)

    def update_probabilities(self, probabilities: Tensor | NDArray[np.floating], label: NDArray[np.uint8]) -> None:
        """Add an image as `update` does, but from probabilities, which are taken as they are.

        Raises ValueError for other shapes, for a label that is no class, and for probabilities that are NaN, negative,
        or do not sum to 1 within 1e-3; then nothing is added.
        """
        self._add(_from_probabilities, probabilities, label)

    def merge(self, other: CalibrationState) -> None:
        """Add all pixels of another state, which stays as it is; raises ValueError for other classes or bins."""
        if (other.n_classes, other.bins) != (self.n_classes, self.bins):
            raise ValueError(
                f"counts of {other.n_classes} classes in {other.bins} bins do not fit those of "
                f"{self.n_classes} in {self.bins}"
            )
        self._sums += other._sums

    def compute(self) -> CalibrationMetrics:
        """Return the metrics of all pixels so far; raises ValueError where there is none that is not void."""
        top, by_class = self._sums.top, self._sums.by_class
        n_pixels = int(top.counts.sum())
        if not n_pixels:
            raise ValueError("there is no pixel of any class, so nothing can be measured")
        reliability = top.grouped(self._cells, equal_width_cuts(self._cells, self.bins))
        adaptive = top.grouped(self._cells, equal_mass_cuts(top.counts, self.bins))
        edges, cuts = equal_width_edges(self.bins), np.arange(self.bins + 1)
        starts = range(0, self.n_classes * self.bins, self.bins)
        classes = tuple(by_class[start : start + self.bins].grouped(edges, cuts) for start in starts)
        class_ece = np.array([expected_calibration_error(bins) for bins in classes])
        return CalibrationMetrics(
            ece=expected_calibration_error(reliability),
            mce=maximum_calibration_error(reliability),
            adaptive_ece=expected_calibration_error(adaptive),
            classwise_ece=float(class_ece.mean()),
            brier=self._sums.brier / (int(STEPS) * n_pixels),
            nll=float("inf") if self._sums.impossible else self._sums.nll / (int(STEPS) * n_pixels),
            n_pixels=n_pixels,
            class_ece=class_ece,
            reliability=reliability,
            adaptive_reliability=adaptive,
            class_reliability=classes,
        )

    def _add(self, read: _Reading, maps: Tensor | NDArray[np.floating], label: NDArray[np.uint8]) -> None:
        """Sum up all bands of an image before any of them counts."""
        if maps.ndim != 3 or len(maps) != self.n_classes or maps.shape[1:] != label.shape:
            wanted = f"{self.n_classes} classes and a label of shape {label.shape}"
            raise ValueError(f"maps of shape {tuple(maps.shape)} do not fit {wanted}")
        _check_classes(label, self.n_classes)
        edges, found = equal_width_edges(self.bins), None
        for values, classes in _bands(maps, label):
            band = _band_sums(read(values, classes), classes, self._cells, edges)
            found = found + band if found else band
        if found:
            self._sums += found


@dataclass(frozen=True)
class _Pixels:
    """What is said of the n pixels of a band, float64.

    probabilities: (classes, n). confidence, predicted: (n,), the largest of them and its class, int64. nll: (n,).
    """

    probabilities: NDArray[np.float64]
    confidence: NDArray[np.float64]
    predicted: NDArray[np.int64]
    nll: NDArray[np.float64]


_Reading = Callable[[NDArray[np.float64], NDArray[np.intp]], _Pixels]


@dataclass(frozen=True)
class _Sums:
    """Sums over pixels: by cell of confidence, by class and bin of its probability, and of the losses, in steps.

    impossible: pixels with probability 0 for their label, which nll leaves out.
    """

    top: BinSums
    by_class: BinSums
    brier: int
    nll: int
    impossible: int

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.top + other.top,
            self.by_class + other.by_class,
            self.brier + other.brier,
            self.nll + other.nll,
            self.impossible + other.impossible,
        )


def _check_classes(label: NDArray[np.uint8], n_classes: int) -> None:
    if label.dtype != np.uint8:
        raise ValueError(f"class ids must be uint8, not {label.dtype}")
    unknown = label[(label >= n_classes) & (label != VOID)]
    if len(unknown):
        raise ValueError(f"the label holds {int(unknown.min())}, but there are {n_classes} classes")


def _bands(
    maps: Tensor | NDArray[np.floating], label: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.intp]]]:
    """Yield the maps (classes, n) and class ids (n,) of the pixels that are not void, in bands that fit the cache."""
    pixels, ids = maps.reshape(len(maps), -1), label.reshape(-1)
    for start in range(0, len(ids), _PIXELS_PER_BAND):
        band = slice(start, start + _PIXELS_PER_BAND)
        kept = np.flatnonzero(ids[band] != VOID)
        if not len(kept):
            continue
        part = pixels[:, band]
        values = part.detach().cpu().double().numpy() if isinstance(part, Tensor) else np.asarray(part, np.float64)
        # Taken even if all are kept: the copy is ours to change.
        yield values.take(kept, axis=1), ids[band][kept].astype(np.intp)


def _from_logits(values: NDArray[np.float64], label: NDArray[np.intp]) -> _Pixels:
    """Apply a softmax to logits (classes, n), which are overwritten; raises ValueError where they are not finite."""
    peak, predicted = _largest(values)
    # NaN fails every comparison.
    if not (values.min() >= -_LARGEST_LOGIT and peak.max() <= _LARGEST_LOGIT):
        raise ValueError("the logits hold NaN, or values that are infinite or too large for float32")
    values -= peak
    nll = -_of_label(values, label)
    probabilities = np.exp(values, out=values)
    total = probabilities.sum(axis=0)
    nll += np.log(total)
    probabilities /= total
    return _Pixels(probabilities, 1 / total, predicted, nll)


def _from_probabilities(values: NDArray[np.float64], label: NDArray[np.intp]) -> _Pixels:
    """Take probabilities (classes, n) as they are; raises ValueError for what is none."""
    # NaN fails every comparison.
    if not values.min() >= 0:
        raise ValueError("the probabilities hold NaN or negative values")
    worst = float(np.abs(values.sum(axis=0) - 1).max())
    if not worst <= SUM_TOLERANCE:
        raise ValueError(f"the probabilities of a pixel sum to 1 only within {worst:.3g}, not {SUM_TOLERANCE:g}")
    peak, predicted = _largest(values)
    with np.errstate(divide="ignore"):
        nll = -np.log(_of_label(values, label))
    return _Pixels(values, peak, predicted, nll)


def _largest(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the largest value of each pixel and the first class that has it; NaN where there is one."""
    # NumPy's argmax takes longer along the first dimension, and does not give the values.
    peak, index = torch.from_numpy(values).max(dim=0)
    return peak.numpy(), index.numpy()


def _of_label(values: NDArray[np.float64], label: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the value of each pixel's class, (n,), from (classes, n)."""
    return values[label, np.arange(len(label))]


def _band_sums(
    pixels: _Pixels, label: NDArray[np.intp], cells: NDArray[np.float64], edges: NDArray[np.float64]
) -> _Sums:
    squares = np.einsum("cn,cn->n", pixels.probabilities, pixels.probabilities)
    brier = squares + (1 - 2 * _of_label(pixels.probabilities, label))
    possible = np.isfinite(pixels.nll)
    return _Sums(
        top=sums_by_confidence(pixels.confidence, pixels.predicted == label, cells),
        by_class=sums_by_class(pixels.probabilities, label, edges),
        brier=exact_sum(np.rint(brier * STEPS)),
        nll=exact_sum(np.rint(pixels.nll[possible] * STEPS)),
        impossible=int(np.count_nonzero(~possible)),
    )
