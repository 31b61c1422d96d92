"""Thresholds that reach a goal on one set of images, and what a threshold does on any set, with its false alarms.

A pixel is predicted to be an anomaly where its score is at or above the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.arrays import ArrayLike, as_array, as_scores, split_by_label
from anomaly_eval.metrics.counts import ThresholdCounts
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.rates import best_f1_index, least_count

GoalKind = Literal["tpr", "fpr", "f1"]


@dataclass(frozen=True)
class Goal:
    """What a threshold is chosen for: a rate in [0, 1] that it reaches or keeps, or the best F1, which has none."""

    kind: GoalKind
    rate: float | None = None

    def __str__(self) -> str:
        return self.kind if self.rate is None else f"{self.kind}={self.rate:.12g}"

    @classmethod
    def parse(cls, word: str) -> Goal:
        """Read `tpr=0.95`, `fpr=0.01` or `f1`; raises ValueError, which says what is wrong, for anything else."""
        name, equals, text = word.partition("=")
        kind = next((kind for kind in get_args(GoalKind) if kind == name), None)
        if kind is None or bool(equals) == (kind == "f1"):
            raise ValueError("write tpr=RATE, fpr=RATE or f1")
        if kind == "f1":
            return cls(kind)
        try:
            rate = float(text)
        except ValueError:
            rate = math.nan
        if not (0 < rate <= 1 if kind == "tpr" else 0 <= rate < 1):
            raise ValueError(f"a rate is a number in {'(0, 1]' if kind == 'tpr' else '[0, 1)'}, such as 0.95 or 0.01")
        return cls(kind, rate)


def threshold_for(counts: ThresholdCounts, goal: Goal) -> float | None:
    """Return the threshold, a score of an anomaly, that serves a goal best; None where none does.

    - `tpr`: the highest with a true-positive rate at or above the goal, as FPR95 by `first_geq`.
    - `fpr`: the lowest with a false-positive rate at or below the goal, as `tpr_at_fpr`; the highest anomaly may be
      too low for any.
    - `f1`: that of the best F1, the highest of equal ones.
    """
    if goal.rate is None:
        index = best_f1_index(counts)
    elif goal.kind == "tpr":
        index = int(np.searchsorted(counts.true_positives, least_count(goal.rate, counts.n_anomalies)))
    else:
        allowed = least_count(goal.rate, counts.n_inliers, strictly=True)
        index = int(np.searchsorted(counts.false_positives, allowed)) - 1
    return float(counts.thresholds[index]) if index >= 0 else None


@dataclass(frozen=True)
class OperatingCounts:
    """What a threshold does on the images of a set; a rate is NaN where there is nothing that it is a share of.

    false_alarms: components of predicted pixels that touch no anomaly, of any size, by 8-connectivity, after the
    predicted pixels on void are removed.
    """

    true_positives: int
    false_positives: int
    n_anomalies: int
    n_inliers: int
    false_alarms: int
    n_images: int

    @property
    def tpr(self) -> float:
        """The share of the anomalies that is found."""
        return _share(self.true_positives, self.n_anomalies)

    @property
    def fpr(self) -> float:
        """The share of the inliers that is taken for anomalies."""
        return _share(self.false_positives, self.n_inliers)

    @property
    def precision(self) -> float:
        """The share of what is found that is an anomaly; NaN for a set without any anomaly."""
        return _share(self.true_positives, (self.true_positives + self.false_positives) * bool(self.n_anomalies))

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN for a set without any anomaly."""
        total = self.true_positives + self.false_positives + self.n_anomalies
        return _share(2 * self.true_positives, total * bool(self.n_anomalies))

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN), the intersection over union; NaN for a set without any anomaly."""
        return _share(self.true_positives, (self.false_positives + self.n_anomalies) * bool(self.n_anomalies))

    @property
    def false_alarms_per_image(self) -> float:
        """The mean number of false alarms of an image."""
        return _share(self.false_alarms, self.n_images)


class ThresholdState:
    """Counts what one threshold does, image by image, and merges with the state of other images, in any order."""

    def __init__(self, threshold: float) -> None:
        """Take the threshold; raises ValueError for NaN, which nothing is at or above."""
        if math.isnan(threshold):
            raise ValueError("a threshold must be a number, not NaN")
        self.threshold = threshold
        self._counts = OperatingCounts(0, 0, 0, 0, 0, 0)

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str = "") -> None:
        """Add an image (height, width) as `RankingState.update` does, with its errors."""
        anomalies, inliers = split_by_label(scores, labels, image_id)
        # In a narrower type the threshold itself would be rounded.
        predicted = as_scores(scores).astype(np.float64, copy=False) >= self.threshold
        label = as_array(labels)
        self._add(
            OperatingCounts(
                true_positives=int(np.count_nonzero(predicted & (label == ANOMALY))),
                false_positives=int(np.count_nonzero(predicted & (label == INLIER))),
                n_anomalies=len(anomalies),
                n_inliers=len(inliers),
                false_alarms=false_alarms(predicted, label),
                n_images=1,
            )
        )

    def merge(self, other: ThresholdState) -> None:
        """Add all images of another state, which stays as it is; raises ValueError for another threshold."""
        if other.threshold != self.threshold:
            raise ValueError(f"counts at {other.threshold} do not fit those at {self.threshold}")
        self._add(other._counts)

    def compute(self) -> OperatingCounts:
        """Return the counts of all images so far."""
        return self._counts

    def _add(self, more: OperatingCounts) -> None:
        self._counts = OperatingCounts(
            **{name: count + getattr(more, name) for name, count in vars(self._counts).items()}
        )


def false_alarms(predicted: NDArray[np.bool_], label: NDArray[np.uint8]) -> int:
    """Count the components of predicted pixels (h, w) that touch no anomaly; see `OperatingCounts`."""
    mask = predicted & (label != VOID)
    count, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    touched = np.unique(numbers[mask & (label == ANOMALY)])
    # The background is no component.
    return int(count) - 1 - len(touched)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
