"""Ranking metrics from histograms: constant memory, and for each metric an interval that is certain to hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import ArrayLike, split_by_label
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.counts import Counts
from anomaly_eval.metrics.intervals import BinCounts, Interval


@dataclass(frozen=True)
class BinnedMetrics:
    """The metrics of the registry by their keys, with their intervals, and the pixels they were computed from."""

    intervals: Mapping[str, Interval]
    n_anomalies: int
    n_inliers: int

    @property
    def rates(self) -> dict[str, float]:
        """The rates by the keys of the registry, and their bounds with `_low` and `_high` at the end."""
        rates = {key: interval.value for key, interval in self.intervals.items()}
        for key, interval in self.intervals.items():
            rates |= {f"{key}_low": interval.low, f"{key}_high": interval.high}
        return rates


class BinnedRankingState:
    """Counts scores by bins; merges with the state of other images over the same bins.

    Memory is two counts a bin, whatever the number of pixels. Neither order nor merging changes a bit of the results.
    """

    def __init__(self, bins: ScoreBins | None = None) -> None:
        """Take the bins; by default 2^20 cells of the key of float32."""
        self.bins = ScoreBins.uniform(20) if bins is None else bins
        self._anomalies = np.zeros(len(self.bins), np.int64)
        self._inliers = np.zeros(len(self.bins), np.int64)

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str = "") -> None:
        """Add an image, as `RankingState.update` does, with the same errors."""
        anomalies, inliers = split_by_label(scores, labels, image_id)
        self.add(self.bins.counts(anomalies), self.bins.counts(inliers))

    def add(self, anomalies: Counts, inliers: Counts) -> None:
        """Add pixels that are counted by bins already, (bins,) each."""
        self._anomalies += anomalies
        self._inliers += inliers

    def merge(self, other: BinnedRankingState) -> None:
        """Add all pixels of another state, which stays as it is; raises ValueError where its bins are others."""
        if self.bins != other.bins:
            raise ValueError("states can only be merged over the same bins")
        self._anomalies += other._anomalies
        self._inliers += other._inliers

    def counts(self) -> BinCounts:
        """Return the counts so far, of which the functions here compute any metric with its interval.

        Raises ValueError where there is no anomaly or no inlier.
        """
        for name, counts in (("anomaly", self._anomalies), ("inlier", self._inliers)):
            if not counts.any():
                raise ValueError(f"there is no {name} pixel at all, so nothing can be ranked")
        return BinCounts(self.bins.lowest, self._anomalies.copy(), self._inliers.copy())

    def compute(self) -> BinnedMetrics:
        """Return the metrics of all pixels so far; raises ValueError where there is no anomaly or no inlier."""
        counts = self.counts()
        return BinnedMetrics(
            {metric.key: metric.interval(counts) for metric in registry.RANKING},
            n_anomalies=int(counts.anomalies.sum()),
            n_inliers=int(counts.inliers.sum()),
        )
