"""What an evaluation measures of each method on an anomaly dataset: the pooled metrics, and more on request."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import NothingToMeasureError
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.bootstrap import ImageHistograms, draw_weights
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.per_image import PerImageState
from anomaly_eval.metrics.ranking import RankingMetrics, RankingState
from anomaly_eval.results.records import DifferenceRow, IntervalRow, PerImageRow
from anomaly_eval.results.resamples import MethodCounts, difference_rows, interval_rows, moved_by_bins, resample

MEMORY_BUDGET = 1 << 28
"""Bytes of inlier scores that all methods together keep in memory before they turn to the disk."""
_BOOTSTRAP_BITS = 14
_IMAGES_FITTED = 4


class MethodState:
    """All states of one method on one dataset."""

    def __init__(self, measures: Measures, memory_limit: int) -> None:
        """Take what is wanted, and how many bytes of inlier scores may stay in memory."""
        self.ranking = RankingState(memory_limit)
        self.per_image = PerImageState(measures.fpr_convention) if measures.per_image else None
        self.histograms: ImageHistograms | None = None
        self._resampled = measures.resamples > 0
        self._waiting: list[tuple[NDArray[np.floating], NDArray[np.uint8], str]] = []

    def update(self, scores: NDArray[np.floating], label: NDArray[np.uint8], image_id: str) -> None:
        """Add an image; raises ValueError for scores that cannot be ranked."""
        self.ranking.update(scores, label, image_id)
        if self.per_image is not None:
            self.per_image.update(scores, label, image_id)
        if self.histograms is not None:
            self.histograms.update(scores, label, image_id)
        elif self._resampled:
            self._waiting.append((scores, label, image_id))
            if len(self._waiting) == _IMAGES_FITTED:
                self.finish()

    def finish(self) -> None:
        """Fit the bins of the bootstrap to the first images, if there were too few so far."""
        if self._waiting:
            known = [scores[label != VOID] for scores, label, _ in self._waiting]
            sample = np.concatenate(known)[::_IMAGES_FITTED]
            bins = ScoreBins.fitted(sample, _BOOTSTRAP_BITS) if len(sample) else ScoreBins.uniform(_BOOTSTRAP_BITS)
            self.histograms = ImageHistograms(bins)
            for image in self._waiting:
                self.histograms.update(*image)
            self._waiting = []

    def release_pixels(self) -> None:
        """Let go of what only the metrics of the pool need."""
        self.ranking = RankingState()


def per_image_rows(samples: SampleSet, states: Mapping[str, MethodState]) -> list[PerImageRow]:
    """Return the means over images of each method, where they were asked for.

    Raises NothingToMeasureError where no image has both anomalies and inliers.
    """
    rows = []
    for method, state in states.items():
        if state.per_image is not None:
            found = state.per_image.compute()
            named = zip(registry.RANKING, registry.means_over_images(), strict=True)
            rows.append(
                PerImageRow(
                    dataset=samples.spec,
                    method=method,
                    metrics={mean.key: mean.written(found.means[metric.key]) for metric, mean in named},
                    n_images=found.n_images,
                    n_left_out=found.n_left_out,
                )
            )
    return rows


def bootstrap_rows(
    samples: SampleSet,
    counts: Mapping[str, MethodCounts],
    measures: Measures,
    warnings: list[str],
) -> tuple[list[IntervalRow], list[DifferenceRow]]:
    """Return the intervals of all metrics of each method, and of the differences of each pair on the same resamples.

    Resamples are moved by what the bins change in the metrics of all images, so that they lie around the exact ones.
    Where that is a visible amount, a warning is added; where it is a large one, the method has no intervals. Raises
    NothingToMeasureError where there are fewer than two images, or no resample with both anomalies and inliers.
    """
    if not counts:
        return [], []
    metrics = registry.ranking(measures.fpr_convention)
    n_images = next(iter(counts.values())).ranked.n_images
    if n_images < 2:
        raise NothingToMeasureError("one image alone says nothing about others")
    weights = draw_weights(n_images, measures.resamples, measures.seed or 0)
    found = {}
    for method, own in counts.items():
        shifts, moved = moved_by_bins(own, metrics)
        if moved.is_visible:
            reason = (
                f"bins fitted to its first {_IMAGES_FITTED} images hold too many different scores of the others, which "
                f"{moved}"
            )
            if moved.is_wrong:
                warnings.append(f"no intervals of {method}, as {reason}")
                continue
            warnings.append(f"the intervals of {method} are coarse, as {reason}")
        found[method] = resample(own, shifts, weights, metrics)
    return interval_rows(samples.spec, found, metrics), difference_rows(samples.spec, found, metrics)


def method_counts(states: Mapping[str, MethodState], exact: Mapping[str, RankingMetrics]) -> dict[str, MethodCounts]:
    """Return the counts of each image and the exact rates of all by method, where the former were kept."""
    return {
        method: MethodCounts(state.histograms.ranked(), exact[method].rates)
        for method, state in states.items()
        if state.histograms is not None
    }
