"""Exact closed-set metrics of pooled pixels: IoU and accuracy of each class, their means, and pixel accuracy.

All follow from the confusion matrix, whose counts are integers: memory does not grow with the images, and the order in
which images come changes nothing. The conventions are those of mmsegmentation's `IoUMetric`: pixels of all images are
pooled, void is dropped from label and prediction alike, and a class without a value is left out of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import VOID

MOST_CLASSES = 254
"""A pair of label and prediction, void included, has to fit 16 bits."""


@dataclass(frozen=True)
class ClassMetrics:
    """One class: rates in [0, 1], NaN where there is none, and its pixels in label and prediction."""

    iou: float
    accuracy: float
    label_pixels: int
    predicted_pixels: int


@dataclass(frozen=True)
class ClosedSetMetrics:
    """Rates in [0, 1]; arrays are (classes,), float64 and int64.

    iou: intersection over union, NaN for a class that occurs in neither label nor prediction. accuracy: the share of
    the label's pixels that were predicted so, NaN for a class that occurs in no label. mean_iou, mean_accuracy: means
    over the classes that have a value. pixel_accuracy: the share of all pixels.
    """

    iou: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    mean_iou: float
    mean_accuracy: float
    pixel_accuracy: float
    label_pixels: NDArray[np.int64]
    predicted_pixels: NDArray[np.int64]

    @property
    def n_pixels(self) -> int:
        """How many pixels were counted, void left out."""
        return int(self.label_pixels.sum())

    @property
    def classes(self) -> list[ClassMetrics]:
        """Each class by itself, in the order of their ids."""
        columns = (self.iou, self.accuracy, self.label_pixels, self.predicted_pixels)
        return [ClassMetrics(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def confusion_matrix(predicted: NDArray[np.uint8], label: NDArray[np.uint8], n_classes: int) -> NDArray[np.int64]:
    """Count pixels by [class in the label, predicted class], (classes, classes), int64; void pixels are dropped.

    Both arrays hold class ids and are of one shape; 255 in the label is void. Raises ValueError for other shapes and
    other values.
    """
    if not 0 < n_classes <= MOST_CLASSES:
        raise ValueError(f"{n_classes} classes cannot be counted, 1 to {MOST_CLASSES} can")
    if predicted.shape != label.shape:
        raise ValueError(f"a prediction of shape {predicted.shape} does not fit a label of shape {label.shape}")
    if predicted.dtype != np.uint8 or label.dtype != np.uint8:
        raise ValueError(f"class ids must be uint8, not {predicted.dtype} and {label.dtype}")
    if predicted.size and int(predicted.max()) >= n_classes:
        raise ValueError(f"the prediction holds class {int(predicted.max())}, but there are {n_classes} classes")
    pairs = label.astype(np.uint16) * np.uint16(n_classes)
    pairs += predicted
    # One row for each of the 256 values of a label: whether they are classes shows for free.
    counts = np.bincount(pairs.ravel(), minlength=256 * n_classes).reshape(256, n_classes)
    unknown = np.flatnonzero(counts[n_classes:VOID].any(axis=1))
    if len(unknown):
        raise ValueError(f"the label holds {n_classes + int(unknown[0])}, but there are {n_classes} classes")
    return counts[:n_classes].astype(np.int64)


def closed_set_metrics(counts: NDArray[np.int64]) -> ClosedSetMetrics:
    """Compute the metrics from a confusion matrix (label, prediction) with one pixel or more."""
    right = counts.diagonal()
    labelled, predicted = counts.sum(axis=1), counts.sum(axis=0)
    iou, accuracy = _ratio(right, labelled + predicted - right), _ratio(right, labelled)
    return ClosedSetMetrics(
        iou=iou,
        accuracy=accuracy,
        mean_iou=float(np.nanmean(iou)),
        mean_accuracy=float(np.nanmean(accuracy)),
        pixel_accuracy=int(right.sum()) / int(counts.sum()),
        label_pixels=labelled,
        predicted_pixels=predicted,
    )


class ClosedSetState:
    """Counts image by image, merges with the state of other images, and computes the metrics exactly."""

    def __init__(self, n_classes: int) -> None:
        """Start without any pixel; raises ValueError for a number of classes that cannot be counted."""
        empty = np.empty(0, np.uint8)
        self.counts = confusion_matrix(empty, empty, n_classes)

    def update(self, predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Add an image: class ids of any shape, uint8, and a label of the same shape, in which 255 is void.

        Raises ValueError for another shape and for values that are no class, and then adds nothing.
        """
        self.counts += confusion_matrix(predicted, label, len(self.counts))

    def merge(self, other: ClosedSetState) -> None:
        """Add all pixels of another state, which stays as it is; raises ValueError for other classes."""
        if other.counts.shape != self.counts.shape:
            raise ValueError(f"counts of {len(other.counts)} classes do not fit those of {len(self.counts)}")
        self.counts += other.counts

    def compute(self) -> ClosedSetMetrics:
        """Return the metrics of all pixels so far; raises ValueError where there is none that is not void."""
        if not self.counts.any():
            raise ValueError("there is no pixel of any class, so nothing can be measured")
        return closed_set_metrics(self.counts)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide, and give NaN where there is nothing to divide by."""
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
