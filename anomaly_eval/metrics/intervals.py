"""Metrics of binned scores, each with an interval that is certain to hold the exact value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.metrics.counts import Counts, ThresholdCounts
from anomaly_eval.metrics.rates import average_precision, fpr_at_tpr, least_count

_PIXELS_AT_ONCE = 1 << 20
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Interval:
    """A metric in [0, 1]: its value where all pixels of a bin tie, and the least and largest it can truly be."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BinCounts:
    """Anomalies and inliers in ascending bins, (bins,) int64, one or more of each kind.

    The order of the pixels within a bin is unknown. `tied`, `best` and `worst` are the counts at all thresholds if they
    tie, if the anomalies come first, tied among themselves, and if the inliers do.
    """

    lowest: NDArray[np.floating]
    """The least score that each bin can hold."""
    anomalies: Counts
    inliers: Counts

    @cached_property
    def tied(self) -> ThresholdCounts:
        """The counts at the lower borders of the bins with anomalies; they are exact."""
        kept = np.flatnonzero(self.anomalies)[::-1]
        # How many inliers lie in each bin or above it.
        at = np.cumsum(self.inliers[::-1])[::-1]
        false_positives = at[kept]
        return ThresholdCounts(
            self.lowest[kept],
            np.cumsum(self.anomalies[kept]),
            false_positives,
            false_positives - self.inliers[kept],
            int(at[0]),
        )

    @property
    def best(self) -> ThresholdCounts:
        """No inlier of a bin is ahead of its anomalies."""
        return replace(self.tied, false_positives=self.tied.false_positives_above)

    @property
    def worst(self) -> ThresholdCounts:
        """All inliers of a bin are ahead of its anomalies."""
        return replace(self.tied, false_positives_above=self.tied.false_positives)


def monotone_interval(counts: BinCounts, metric: Callable[[ThresholdCounts], float]) -> Interval:
    """Return the interval of a metric that only ever rises, or only ever falls, when anomalies overtake inliers.

    It lies between those of the best and the worst order within the bins.
    """
    ends = metric(counts.best), metric(counts.worst)
    return Interval(metric(counts.tied), low=min(ends), high=max(ends))


def average_precision_interval(counts: BinCounts) -> Interval:
    """Return average precision.

    It is least where all inliers of a bin are ahead of its anomalies and those come one by one, and largest where the
    anomalies are ahead and tie, as each then counts with all of them found. Unlike the other metrics this is a sum that
    rounds, so the bounds are moved apart by more than it can.
    """
    low, high = _least_average_precision(counts), average_precision(counts.best)
    return Interval(average_precision(counts.tied), low * (1 - _ROUNDING), min(high * (1 + _ROUNDING), 1.0))


def fpr_at_tpr_interval(counts: BinCounts, tpr: float = 0.95, convention: Convention = "first_geq") -> Interval:
    """Return the false-positive rate at a true-positive rate, by one of the conventions of `fpr_at_tpr`."""
    if convention == "nearest":
        return _nearest_interval(counts, tpr)

    def metric(order: ThresholdCounts) -> float:
        return fpr_at_tpr(order, tpr, convention)

    return Interval(metric(counts.tied), low=metric(counts.best), high=metric(counts.worst))


def _least_average_precision(counts: BinCounts) -> float:
    """Return average precision if inliers come first in each bin and then the anomalies one by one."""
    order, sums = counts.worst, []
    for gained, part in order.blocks():
        # A bin may hold many anomalies, so they are taken a bounded number at a time.
        for start in range(int(part.true_positives[0] - gained[0]), int(part.true_positives[-1]), _PIXELS_AT_ONCE):
            found = np.arange(start + 1, min(start + _PIXELS_AT_ONCE, int(part.true_positives[-1])) + 1)
            false = part.false_positives[np.searchsorted(part.true_positives, found)]
            sums.append(float((found / (found + false)).sum()))
    return math.fsum(sums) / order.n_anomalies


def _nearest_interval(counts: BinCounts, tpr: float) -> Interval:
    """Bound the rate at the nearest threshold: within a bin it is unknown which true-positive rates are reached."""
    tied = counts.tied
    value, total = fpr_at_tpr(tied, tpr, "nearest"), tied.n_anomalies
    # Whatever the order, the rates at the ends of the bins are reached, so the nearest is no farther than theirs.
    distance = float(np.abs(tied.true_positives / total - tpr).min()) * (1 + 1e-12) + 1e-15
    least = least_count(max(tpr - distance, 0.0), total)
    most = least_count(min(tpr + distance, 1.0), total, strictly=True) - 1
    last = len(tied.thresholds) - 1
    low = min(int(np.searchsorted(tied.true_positives, least + 1)), last)
    high = min(int(np.searchsorted(tied.true_positives, most + 1)), last)
    return Interval(
        value,
        low=int(tied.false_positives_above[low]) / tied.n_inliers,
        high=int(tied.false_positives[high]) / tied.n_inliers,
    )
