"""How far metrics of the pool would move with other images: percentile intervals of an image-level bootstrap.

Images, not pixels, are drawn with replacement, as the pixels of an image are anything but independent (Efron and
Tibshirani, An Introduction to the Bootstrap, chapter 13). Each image keeps its histograms over the same bins, so that a
resample is a weighted sum of histograms and nothing is sorted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.arrays import ArrayLike, NothingToMeasureError, split_by_label
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.counts import ThresholdCounts
from anomaly_eval.metrics.intervals import BinCounts
from anomaly_eval.metrics.registry import RankingMetric

_DRAWN_AT_ONCE = 25


@dataclass(frozen=True)
class PercentileInterval:
    """Percentiles of a metric, or of a difference of two, over the resamples: rates, like the metric itself.

    n_resamples: those that held anomalies and inliers, of which alone there are metrics.
    """

    low: float
    high: float
    level: float
    n_resamples: int


@dataclass(frozen=True)
class RankedCounts:
    """How many anomalies and inliers of each image lie in ascending bins: all that metrics of resamples need.

    counts: (images, 2, bins) unsigned integers, anomalies before inliers. Where the bins lie on the scale of the scores
    is not known: thresholds are the places of the bins.
    """

    counts: NDArray[np.unsignedinteger[Any]]

    @property
    def n_images(self) -> int:
        """All images."""
        return len(self.counts)

    def resampled(self, weights: NDArray[np.int64]) -> Iterator[ThresholdCounts | None]:
        """Yield the counts of each resample, None where it holds no anomaly or no inlier.

        weights: (resamples, images) int64, how often each image is drawn.
        """
        places = np.arange(self.counts.shape[2], dtype=np.float64)
        # Products of counts below 2^53 are exact in float64, for which alone there is a fast product.
        flat = self.counts.astype(np.float64).reshape(self.n_images, -1)
        for start in range(0, len(weights), _DRAWN_AT_ONCE):
            drawn = (weights[start : start + _DRAWN_AT_ONCE].astype(np.float64) @ flat).astype(np.int64)
            for anomalies, inliers in drawn.reshape(len(drawn), 2, -1):
                usable = anomalies.any() and inliers.any()
                yield BinCounts(places, anomalies, inliers).tied if usable else None


class ImageHistograms:
    """The histograms of each image over the same bins; merges with those of other images."""

    def __init__(self, bins: ScoreBins) -> None:
        """Take the bins; 2^14, fitted to scores like these, move no metric visibly."""
        self.bins = bins
        self._images: dict[str, tuple[NDArray[np.uint32], NDArray[np.uint32]]] = {}

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str) -> None:
        """Add an image, as `RankingState.update` does; also raises ValueError where its id is there already."""
        if image_id in self._images:
            raise ValueError(f"there are two images with the id {image_id!r}")
        anomalies, inliers = split_by_label(scores, labels, image_id)
        self._images[image_id] = (
            self.bins.counts(anomalies).astype(np.uint32),
            self.bins.counts(inliers).astype(np.uint32),
        )

    def merge(self, other: ImageHistograms) -> None:
        """Add all images of another state, which stays as it is; raises ValueError for other bins and known ids."""
        if self.bins != other.bins:
            raise ValueError("states can only be merged over the same bins")
        known = self._images.keys() & other._images.keys()
        if known:
            raise ValueError(f"there are two images with the id {min(known)!r}")
        self._images |= other._images

    @property
    def ids(self) -> list[str]:
        """The images in the order in which they are drawn from, which is that of their ids."""
        return sorted(self._images)

    def ranked(self) -> RankedCounts:
        """Return the counts of all images, in the order of `ids`, over as few bins as change no metric.

        Empty bins are left out, and neighbours in which no image has an anomaly become one, as no threshold is there.
        """
        histograms = np.stack([np.stack(self._images[name]) for name in self.ids])
        histograms = histograms[:, :, histograms.any(axis=(0, 1))]
        with_anomalies = histograms[:, 0].sum(axis=0) > 0
        follows_anomalies = np.append(True, with_anomalies)[:-1]
        first = np.flatnonzero(with_anomalies | follows_anomalies)
        joined = np.add.reduceat(histograms, first, axis=2) if len(first) else histograms
        return RankedCounts(joined.astype(np.min_scalar_type(int(joined.max(initial=0)))))


def draw_weights(n_images: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each image is drawn, (resamples, images); every row sums to the number of images."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_images, np.full(n_images, 1 / n_images), size=resamples)


def resampled_metrics(
    counts: RankedCounts, weights: NDArray[np.int64], metrics: Sequence[RankingMetric]
) -> dict[str, NDArray[np.float64]]:
    """Return each metric of each resample by its key, (resamples,) float64.

    NaN stands where a resample has no anomaly or no inlier.

    Methods whose counts are of the same images are compared in pairs by giving all the same weights.
    """
    found = {metric.key: np.full(len(weights), np.nan) for metric in metrics}
    for row, drawn in enumerate(counts.resampled(weights)):
        if drawn is not None:
            for metric in metrics:
                found[metric.key][row] = metric.of(drawn)
    return found


def percentile_interval(values: NDArray[np.float64], level: float = 0.95) -> PercentileInterval:
    """Return the percentiles that hold the middle `level` of the values of resamples, (resamples,).

    Raises NothingToMeasureError where no resample has a value, and ValueError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval must lie between 0 and 1, which {level} does not")
    usable = values[~np.isnan(values)]
    if not len(usable):
        raise NothingToMeasureError("no resample holds both anomaly and inlier pixels")
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return PercentileInterval(float(low), float(high), level, len(usable))
