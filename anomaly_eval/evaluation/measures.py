"""What an evaluation measures of each method on an anomaly dataset: the pooled metrics, and more on request."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import NothingToMeasureError
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.bootstrap import ImageHistograms, draw_weights, percentile_interval, resampled_metrics
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.per_image import PerImageState
from anomaly_eval.metrics.ranking import RankingMetrics, RankingState
from anomaly_eval.results.records import DifferenceRow, IntervalRow, PerImageRow

MEMORY_BUDGET = 1 << 28
"""Bytes of inlier scores that all methods together keep in memory before they turn to the disk."""
_BOOTSTRAP_BITS = 14
_IMAGES_FITTED = 4
_VISIBLE, _WRONG = 1e-3, 1e-2
"""By how much bins may move a metric before it is said, and before intervals mean nothing."""


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
    states: Mapping[str, MethodState],
    exact: Mapping[str, RankingMetrics],
    measures: Measures,
    warnings: list[str],
) -> tuple[list[IntervalRow], list[DifferenceRow]]:
    """Return the intervals of all metrics of each method, and of the differences of each pair on the same resamples.

    Resamples are moved by what the bins change in the metrics of all images, so that they lie around the exact ones.
    Where that is a visible amount, a warning is added; where it is a large one, the method has no intervals. Raises
    NothingToMeasureError where there are fewer than two images, or no resample with both anomalies and inliers.
    """
    histograms = {method: state.histograms for method, state in states.items() if state.histograms is not None}
    if not histograms:
        return [], []
    metrics = registry.ranking(measures.fpr_convention)
    n_images = len(next(iter(histograms.values())).ids)
    if n_images < 2:
        raise NothingToMeasureError("one image alone says nothing about others")
    weights = draw_weights(n_images, measures.resamples, measures.seed or 0)
    values, rates = {}, {}
    for method, state in histograms.items():
        binned = resampled_metrics(state, np.ones((1, n_images), np.int64), metrics)
        rates[method] = exact[method].rates
        moved = {name: rate - float(binned[name][0]) for name, rate in rates[method].items()}
        worst = max(moved, key=lambda name: abs(moved[name]))
        if abs(moved[worst]) > _VISIBLE:
            reason = (
                f"bins fitted to its first {_IMAGES_FITTED} images hold too many different scores of the others, which "
                f"moves {worst} by {100 * abs(moved[worst]):.2f} points"
            )
            if abs(moved[worst]) > _WRONG:
                warnings.append(f"no intervals of {method}, as {reason}")
                continue
            warnings.append(f"the intervals of {method} are coarse, as {reason}")
        drawn = resampled_metrics(state, weights, metrics)
        values[method] = {name: np.clip(drawn[name] + shift, 0, 1) for name, shift in moved.items()}
    return (
        [
            IntervalRow(dataset=samples.spec, method=method, metric=metric.key, **_percent(values[method][metric.key]))
            for method in values
            for metric in metrics
        ],
        [
            DifferenceRow(
                dataset=samples.spec,
                method=one,
                other=other,
                metric=metric.key,
                difference=100 * (rates[one][metric.key] - rates[other][metric.key]),
                **_percent(values[one][metric.key] - values[other][metric.key]),
            )
            for one, other in combinations(values, 2)
            for metric in metrics
        ],
    )


def _percent(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the fields of an interval of the values of resamples."""
    found = percentile_interval(values)
    return {"low": 100 * found.low, "high": 100 * found.high, "n_resamples": found.n_resamples}
