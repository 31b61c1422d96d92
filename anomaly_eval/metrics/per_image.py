"""Means over images of metrics that were computed image by image: another number than that of the pooled pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import ArrayLike, NothingToMeasureError, split_by_label
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.runs import Run


@dataclass(frozen=True)
class PerImageMetrics:
    """Means over the images that hold anomalies and inliers, rates in [0, 1] by key, and how many images that are.

    Each image has a threshold of its own here, so that the false-positive rate looks better than that of the pool.
    """

    means: Mapping[str, float]
    n_images: int
    n_left_out: int


class PerImageState:
    """Computes the metrics of each image, merges with the state of other images, and means them in any order."""

    def __init__(self, convention: Convention = "first_geq") -> None:
        """Start without any image; `convention` is that of FPR95."""
        self._convention = convention
        self._rates: dict[str, list[float]] = {}
        self._left_out = 0

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str = "") -> None:
        """Add an image as `RankingState.update` does, with its errors; one without anomaly or inlier is left out."""
        anomalies, inliers = split_by_label(scores, labels, image_id)
        if not len(anomalies) or not len(inliers):
            self._left_out += 1
            return
        inliers.sort()
        counts = threshold_counts(sort_anomalies(anomalies), [Run(inliers)])
        for metric in registry.ranking(self._convention):
            self._rates.setdefault(metric.key, []).append(metric.of(counts))

    def merge(self, other: PerImageState) -> None:
        """Add all images of another state, which stays as it is; raises ValueError for another convention."""
        if other._convention != self._convention:
            raise ValueError(f"means by {other._convention} do not fit those by {self._convention}")
        for key, rates in list(other._rates.items()):
            self._rates[key] = self._rates.get(key, []) + rates
        self._left_out += other._left_out

    def compute(self) -> PerImageMetrics:
        """Return the means; raises NothingToMeasureError where no image holds anomalies and inliers."""
        if not self._rates:
            raise NothingToMeasureError(
                "there is no image with both anomaly and inlier pixels, so nothing can be ranked"
            )
        n_images = len(next(iter(self._rates.values())))
        # fsum rounds once, so the order of the images changes nothing.
        means = {key: math.fsum(rates) / n_images for key, rates in self._rates.items()}
        return PerImageMetrics(means, n_images, self._left_out)
