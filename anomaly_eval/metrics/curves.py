"""ROC and precision-recall curves with few enough points to draw and to store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.counts import ThresholdCounts
from anomaly_eval.metrics.rates import best_f1_index, least_count
from anomaly_eval.metrics.runs import Scores


@dataclass(frozen=True)
class Curve:
    """Rates at some thresholds from the highest to the lowest, arrays (points,); recall is the true-positive rate."""

    thresholds: Scores
    tpr: NDArray[np.float64]
    fpr: NDArray[np.float64]
    precision: NDArray[np.float64]


def thinned_curve(counts: ThresholdCounts, points: int = 1000, tpr: float = 0.95) -> Curve:
    """Keep a threshold wherever a rate enters another of `points` equal cells of [0, 1].

    Neighbours are then at most two cells apart wherever the counts allow it. The metrics themselves are computed from
    all thresholds and do not move; the points that they are read off stay exactly: the first and the last threshold,
    the first with a true-positive rate >= `tpr` (FPR95), and that of the best F1. Raises ValueError for fewer than one
    point, or a rate outside (0, 1].
    """
    if not 0 < tpr <= 1:
        raise ValueError(f"a true-positive rate must lie in (0, 1], which {tpr} does not")
    if points < 1:
        raise ValueError(f"a curve needs one cell or more, not {points}")
    reached = int(np.searchsorted(counts.true_positives, least_count(tpr, counts.n_anomalies)))
    kept = [np.array([0, reached, best_f1_index(counts), len(counts.thresholds) - 1])]
    first, cells_before = 0, np.zeros((2, 1), np.int64)
    for _, part in counts.blocks():
        cells = np.stack(
            [
                part.true_positives * points // counts.n_anomalies,
                part.false_positives * points // counts.n_inliers,
            ]
        )
        changed = np.diff(cells, axis=1, prepend=cells_before).any(axis=0)
        kept.append(first + np.flatnonzero(changed))
        first, cells_before = first + len(part.thresholds), cells[:, -1:]
    at = np.unique(np.concatenate(kept))
    true_positives, false_positives = counts.true_positives[at], counts.false_positives[at]
    return Curve(
        thresholds=counts.thresholds[at],
        tpr=true_positives / counts.n_anomalies,
        fpr=false_positives / counts.n_inliers,
        precision=true_positives / (true_positives + false_positives),
    )
