"""Ranking metrics as pure functions of the counts at all thresholds. Rates lie in [0, 1].

Positives are anomalies, and a pixel is predicted to be one where its score is at or above the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomaly_eval.metrics.conventions import CONVENTIONS, Convention
from anomaly_eval.metrics.counts import Counts, ThresholdCounts


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does; a pixel is predicted to be an anomaly where its score is at or above it."""

    threshold: float
    f1: float
    precision: float
    recall: float
    """The true-positive rate."""
    fpr: float


def auroc(counts: ThresholdCounts) -> float:
    """Return how often an anomaly outscores an inlier, a tie counting one half.

    The sum runs over integers, so the only rounding is that of the last division.
    """
    pairs = counts.n_anomalies * counts.n_inliers
    # Beyond 63 bits Python's own integers count on.
    kind = np.int64 if 2 * pairs < 2**63 else np.object_
    # Twice the inliers that the anomalies at each threshold lose to, ties once.
    lost = sum(
        int(((part.false_positives + part.false_positives_above) * gained.astype(kind, copy=False)).sum())
        for gained, part in counts.blocks()
    )
    return (2 * pairs - lost) / (2 * pairs)


def average_precision(counts: ThresholdCounts) -> float:
    """Return the precision at each threshold, weighted by the recall gained there: the step-wise sum.

    The same as scikit-learn's `average_precision_score`; no interpolation.
    """
    sums = [
        float((gained * (part.true_positives / (part.true_positives + part.false_positives))).sum())
        for gained, part in counts.blocks()
    ]
    return math.fsum(sums) / counts.n_anomalies


def fpr_at_tpr(counts: ThresholdCounts, tpr: float = 0.95, convention: Convention = "first_geq") -> float:
    """Return the false-positive rate at a true-positive rate in (0, 1].

    Thresholds are passed from the highest down. The conventions, and who uses them:

    - `first_geq`: at the first threshold with a rate >= tpr (Fishyscapes, SegmentMeIfYouCan).
    - `first_gt`: at the first threshold with a rate > tpr (RbA); NaN where there is none.
    - `interpolated`: linearly between the points of the curve before and after (`ood_metrics`, Standardized Max
      Logits); of points with exactly this rate the last one, as `numpy.interp` takes it.
    - `nearest`: at the threshold whose rate is closest (Hendrycks' `fpr_and_fdr_at_recall`, torch-uncertainty); of
      several the lowest, but no threshold below the one that finds all anomalies.

    Raises ValueError for another convention or a rate outside (0, 1].
    """
    if not 0 < tpr <= 1:
        raise ValueError(f"a true-positive rate must lie in (0, 1], which {tpr} does not")
    if convention not in CONVENTIONS:
        raise ValueError(f"there is no convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
    found, n_anomalies = counts.true_positives, counts.n_anomalies
    if convention == "first_geq":
        index = int(np.searchsorted(found, least_count(tpr, n_anomalies)))
        return int(counts.false_positives[index]) / counts.n_inliers
    # The first threshold beyond the rate; before it the curve runs level through inliers.
    following = int(np.searchsorted(found, least_count(tpr, n_anomalies, strictly=True)))
    if convention == "nearest":
        return _nearest(counts, tpr, following) / counts.n_inliers
    if following == len(found):
        return math.nan if convention == "first_gt" else 1.0
    after = int(counts.false_positives[following])
    if convention == "first_gt":
        return after / counts.n_inliers
    before = int(counts.false_positives_above[following])
    rates = [count / n_anomalies for count in (int(found[following - 1]) if following else 0, int(found[following]))]
    share = (tpr - rates[0]) / (rates[1] - rates[0])
    return (before + share * (after - before)) / counts.n_inliers


def tpr_at_fpr(counts: ThresholdCounts, fpr: float) -> float:
    """Return the largest true-positive rate of all thresholds whose false-positive rate is at most `fpr`, else 0.

    Raises ValueError for a rate outside [0, 1].
    """
    if not 0 <= fpr <= 1:
        raise ValueError(f"a false-positive rate must lie in [0, 1], which {fpr} does not")
    allowed = least_count(fpr, counts.n_inliers, strictly=True)
    passed = int(np.searchsorted(counts.false_positives, allowed))
    return int(counts.true_positives[passed - 1]) / counts.n_anomalies if passed else 0.0


def best_f1(counts: ThresholdCounts) -> OperatingPoint:
    """Return the threshold with the largest F1 = 2 TP / (2 TP + FP + FN), the highest of equal ones."""
    return operating_point(counts, best_f1_index(counts))


def best_f1_index(counts: ThresholdCounts) -> int:
    """Return which threshold has the largest F1: between two scores of anomalies it only falls, so all are tried."""
    best, at, first = -1.0, 0, 0
    for _, part in counts.blocks():
        f1 = 2 * part.true_positives / (part.true_positives + part.false_positives + counts.n_anomalies)
        index = int(np.argmax(f1))
        if f1[index] > best:
            best, at = float(f1[index]), first + index
        first += len(f1)
    return at


def operating_point(counts: ThresholdCounts, index: int) -> OperatingPoint:
    """Return what the threshold with this index does."""
    found, false = int(counts.true_positives[index]), int(counts.false_positives[index])
    return OperatingPoint(
        threshold=float(counts.thresholds[index]),
        f1=2 * found / (found + false + counts.n_anomalies),
        precision=found / (found + false),
        recall=found / counts.n_anomalies,
        fpr=false / counts.n_inliers,
    )


def least_count(rate: float, total: int, strictly: bool = False) -> int:
    """Return the least count whose share of the total, a float64, is at least (or above) the rate; total + 1 if none.

    Of nothing, no count is a share. Dividing first is what others do; multiplying would put a count on the other side
    of the rate now and then.
    """
    if not total:
        return 1
    count = max(0, int(rate * total) - 2)
    while count <= total and (count / total <= rate if strictly else count / total < rate):
        count += 1
    return count


def _nearest(counts: ThresholdCounts, tpr: float, following: int) -> int:
    """Return the false positives at the rate nearest to `tpr`: at the threshold that goes beyond it, or before it."""
    found = counts.true_positives
    nearest, distance = 0, math.inf
    for index in (following, following - 1):
        # No threshold lies above the highest score, nor below the lowest that finds something new.
        if index == len(found) or (index < 0 and not counts.false_positives_above[0]):
            continue
        rate = int(found[index]) / counts.n_anomalies if index >= 0 else 0.0
        if abs(rate - tpr) < distance:
            nearest, distance = index, abs(rate - tpr)
    return _last_false_positives(counts.false_positives, counts.false_positives_above, nearest)


def _last_false_positives(at: Counts, above: Counts, index: int) -> int:
    """Return the inliers at or above the lowest threshold with the true-positive rate of this index."""
    return int(at[index]) if index == len(at) - 1 else int(above[index + 1])
