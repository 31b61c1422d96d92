"""Means over images of metrics that were computed image by image: another number than that of the pooled pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_eval.metrics.arrays import ArrayLike, split_by_label
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.errors import NothingToMeasureError
from anomaly_eval.metrics.rates import CONVENTIONS, Convention, auroc, average_precision, fpr_at_tpr
from anomaly_eval.metrics.runs import Run


@dataclass(frozen=True)
class PerImageMetrics:
    """Means over the images that hold anomalies and inliers, as rates in [0, 1], and how many images that are.

    Each image has a threshold of its own here, so that the false-positive rate looks better than that of the pool.
    """

    per_image_auroc: float
    per_image_average_precision: float
    per_image_fpr95: float
    n_images: int
    n_left_out: int


class PerImageState:
    """Computes the metrics of each image, merges with the state of other images, and means them in any order."""

    def __init__(self) -> None:
        """Start without any image."""
        self._metrics: list[tuple[float, ...]] = []
        self._left_out = 0

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str = "") -> None:
        """Add an image as `RankingState.update` does, with its errors; one without anomaly or inlier is left out."""
        anomalies, inliers = split_by_label(scores, labels, image_id)
        if not len(anomalies) or not len(inliers):
            self._left_out += 1
            return
        inliers.sort()
        counts = threshold_counts(sort_anomalies(anomalies), [Run(inliers)])
        fpr95 = [fpr_at_tpr(counts, convention=convention) for convention in CONVENTIONS]
        self._metrics.append((auroc(counts), average_precision(counts), *fpr95))

    def merge(self, other: PerImageState) -> None:
        """Add all images of another state, which stays as it is."""
        self._metrics += other._metrics
        self._left_out += other._left_out

    def compute(self, convention: Convention = "first_geq") -> PerImageMetrics:
        """Return the means; raises NothingToMeasureError where no image holds anomalies and inliers."""
        if not self._metrics:
            raise NothingToMeasureError(
                "there is no image with both anomaly and inlier pixels, so nothing can be ranked"
            )
        # fsum rounds once, so the order of the images changes nothing.
        means = [math.fsum(column) / len(self._metrics) for column in zip(*self._metrics, strict=True)]
        fpr95 = means[2 + CONVENTIONS.index(convention)]
        return PerImageMetrics(means[0], means[1], fpr95, n_images=len(self._metrics), n_left_out=self._left_out)
