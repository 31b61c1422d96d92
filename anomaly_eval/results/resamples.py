"""Intervals of metrics, and of differences between methods, from metrics of resamples of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.bootstrap import RankedCounts, percentile_interval, resampled_metrics
from anomaly_eval.metrics.registry import RankingMetric
from anomaly_eval.results.records import DifferenceRow, IntervalRow

_VISIBLE, _WRONG = 1e-3, 1e-2
"""By how much bins may move a metric before it is said, and before intervals mean nothing."""


@dataclass(frozen=True)
class MethodCounts:
    """All that resamples of a method on a dataset need: the counts of each image, and the exact rates of all by key."""

    ranked: RankedCounts
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Resampled:
    """A method on a dataset: its metrics of all images and of each resample, as rates by their keys."""

    rates: Mapping[str, float]
    draws: Mapping[str, NDArray[np.float64]]
    """(resamples,) each; NaN where a resample has no anomaly or no inlier."""


@dataclass(frozen=True)
class Moved:
    """The metric that bins move the most, and by how much, a rate."""

    metric: str
    by: float

    @property
    def is_visible(self) -> bool:
        """Whether readers of the intervals should know."""
        return self.by > _VISIBLE

    @property
    def is_wrong(self) -> bool:
        """Whether there can be no intervals."""
        return self.by > _WRONG

    def __str__(self) -> str:
        return f"moves {self.metric} by {100 * self.by:.2f} points"


def moved_by_bins(counts: MethodCounts, metrics: Sequence[RankingMetric]) -> tuple[dict[str, float], Moved]:
    """Return by how much the exact rates of all images differ from those of bins, by metric, and the worst of it."""
    binned = resampled_metrics(counts.ranked, np.ones((1, counts.ranked.n_images), np.int64), metrics)
    shifts = {metric.key: counts.rates[metric.key] - float(binned[metric.key][0]) for metric in metrics}
    worst = max(shifts, key=lambda key: abs(shifts[key]))
    return shifts, Moved(worst, abs(shifts[worst]))


def resample(
    counts: MethodCounts,
    shifts: Mapping[str, float],
    weights: NDArray[np.int64],
    metrics: Sequence[RankingMetric],
) -> Resampled:
    """Return the metrics of resamples, moved by what bins change so that they lie around the exact ones."""
    drawn = resampled_metrics(counts.ranked, weights, metrics)
    return Resampled(counts.rates, {key: np.clip(drawn[key] + shift, 0, 1) for key, shift in shifts.items()})


def mean_of_runs(found: Sequence[Resampled]) -> Resampled:
    """Return the means over runs, one or more, of the same method on the same resamples."""
    keys = found[0].rates.keys()
    return Resampled(
        {key: float(np.mean([one.rates[key] for one in found])) for key in keys},
        {key: np.mean([one.draws[key] for one in found], axis=0) for key in keys},
    )


def interval_rows(dataset: str, found: Mapping[str, Resampled], metrics: Sequence[RankingMetric]) -> list[IntervalRow]:
    """Return the interval of each metric of each method.

    Raises NothingToMeasureError where no resample has both anomalies and inliers.
    """
    return [
        IntervalRow(dataset=dataset, method=method, metric=metric.key, **_percent(one.draws[metric.key]))
        for method, one in found.items()
        for metric in metrics
    ]


def difference_rows(
    dataset: str, found: Mapping[str, Resampled], metrics: Sequence[RankingMetric]
) -> list[DifferenceRow]:
    """Return the interval of the difference of each pair of methods, all of which were drawn alike.

    Raises NothingToMeasureError as `interval_rows` does.
    """
    return [
        DifferenceRow(
            dataset=dataset,
            method=one,
            other=other,
            metric=metric.key,
            difference=100 * (found[one].rates[metric.key] - found[other].rates[metric.key]),
            **_percent(found[one].draws[metric.key] - found[other].draws[metric.key]),
        )
        for one, other in combinations(found, 2)
        for metric in metrics
    ]


def bootstrap_text(resamples: int, seed: int) -> str:
    """Say how intervals came about."""
    return f"middle 95 % of {resamples} resamples of the images of each dataset, seed {seed}"


def _percent(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the fields of an interval of the values of resamples."""
    found = percentile_interval(values)
    return {"low": 100 * found.low, "high": 100 * found.high, "n_resamples": found.n_resamples}
