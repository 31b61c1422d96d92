"""Exact ranking metrics of pooled pixels, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import ArrayLike, split_by_label
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.metrics.counts import DistinctScores, ThresholdCounts, sort_anomalies, threshold_counts
from anomaly_eval.metrics.histograms import ScoreHistogram, score_histogram
from anomaly_eval.metrics.runs import Run, ScorePool

MEMORY_LIMIT = 128 << 20
"""Bytes of inlier scores that a state keeps in memory before it turns to the disk."""


@dataclass(frozen=True)
class RankingMetrics:
    """The metrics of the registry by their keys, rates in [0, 1], and the pixels that they were computed from."""

    rates: Mapping[str, float]
    n_anomalies: int
    n_inliers: int


def ranking_metrics(counts: ThresholdCounts, convention: Convention = "first_geq") -> RankingMetrics:
    """Compute all metrics from the counts at all thresholds; `convention` is that of FPR95."""
    metrics = registry.ranking(convention)
    with ThreadPoolExecutor(2) as pool:
        rates = list(pool.map(lambda metric: metric.of(counts), metrics))
    return RankingMetrics(dict(zip(registry.keys(metrics), rates, strict=True)), counts.n_anomalies, counts.n_inliers)


class RankingState:
    """Pools scores image by image, merges with the state of other images, and computes the metrics exactly.

    Anomalies stay in memory. Inliers do up to a limit; beyond it sorted runs go to a temporary file. Neither the order
    of the images, nor merging, nor the limit changes a bit of the results.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        """Start without any pixel; `memory_limit` is in bytes of inlier scores."""
        self._anomalies = ScorePool()
        self._inliers = ScorePool(memory_limit)

    def update(self, scores: ArrayLike, labels: ArrayLike, image_id: str = "") -> None:
        """Add an image.

        scores: array or tensor of any shape, float16, bfloat16, float32 or float64; no sigmoid or other change is
        applied, and infinities are ranked. labels: the same shape, with 0 inlier, 1 anomaly, 255 void. Raises
        ValueError, which names the image, for another shape, another label or NaN, and then adds nothing.
        """
        anomalies, inliers = split_by_label(scores, labels, image_id)
        self._inliers.extend(inliers)
        self._anomalies.extend(anomalies)

    def merge(self, other: RankingState) -> None:
        """Add all pixels of another state, which stays as it is."""
        # The inliers first, as they alone can fail for want of room.
        self._inliers.merge(other._inliers)
        self._anomalies.merge(other._anomalies)

    def compute(self, workers: int | None = None) -> RankingMetrics:
        """Return the metrics of all pixels so far; `workers` threads sort and count, by default one a processor.

        Raises ValueError where there is no anomaly or no inlier.
        """
        return ranking_metrics(self.counts(workers))

    def counts(self, workers: int | None = None) -> ThresholdCounts:
        """Return the counts at all thresholds, of which the functions in `rates` and `curves` compute more metrics.

        Raises ValueError where there is no anomaly or no inlier.
        """
        self._check()
        workers = workers or os.cpu_count() or 1
        anomalies, inliers = self._sorted(workers)
        return threshold_counts(anomalies, inliers, workers)

    def histogram(self, bins: int = 100, workers: int | None = None) -> ScoreHistogram:
        """Return how inliers and anomalies are distributed over their scores, see `score_histogram`.

        Raises ValueError where there is no anomaly or no inlier, and for fewer than one bin.
        """
        self._check()
        workers = workers or os.cpu_count() or 1
        # Not `_sorted`: distinct scores of anomalies are not needed, and take as long as sorting them.
        (anomalies,) = self._anomalies.sorted_runs(workers)
        return score_histogram(anomalies.values, self._inliers.sorted_runs(workers), bins)

    def _sorted(self, workers: int) -> tuple[DistinctScores, list[Run]]:
        """Sort anomalies and inliers, beside each other, as the first step of the inliers keeps but one thread busy."""
        anomalies = self._anomalies.values()
        if workers < 2:
            return sort_anomalies(anomalies), self._inliers.sorted_runs(1)
        with ThreadPoolExecutor(workers) as threads:
            beside = threads.submit(sort_anomalies, anomalies)
            # The same threads: one more than there are processors would hold up the others.
            inliers = self._inliers.sorted_runs(workers, threads)
            return beside.result(), inliers

    def _check(self) -> None:
        for name, pool in (("anomaly", self._anomalies), ("inlier", self._inliers)):
            if not len(pool):
                raise ValueError(f"there is no {name} pixel at all, so nothing can be ranked")
