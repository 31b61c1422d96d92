"""How the scores of inliers and of anomalies are distributed, counted exactly in bins of equal width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.runs import Run, Scores

_BEYOND = 1e-3
"""Share of the inliers, and of the anomalies, that may lie outside of the edges on either side."""
_HALVINGS = 60


@dataclass(frozen=True)
class ScoreHistogram:
    """Pixels in bins of equal width; what lies beyond the edges counts in the first and the last bin.

    edges: (bins + 1,) float64, ascending and finite. inliers, anomalies: (bins,) int64.
    """

    edges: NDArray[np.float64]
    inliers: NDArray[np.int64]
    anomalies: NDArray[np.int64]


def score_histogram(anomalies: Scores, inliers: Sequence[Run], bins: int) -> ScoreHistogram:
    """Count ascending anomalies (n,) and inliers in ascending runs, one of each or more and no NaN.

    The edges leave out a thousandth of the inliers or of the anomalies on either side, whichever reaches further, so
    that a few far scores do not squeeze all others into one bin. Raises ValueError for fewer than one bin.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins cannot be filled, 1 or more can")
    groups = [[Run(anomalies)], list(inliers)]
    low = min(_quantile(runs, _BEYOND) for runs in groups)
    high = max(_quantile(runs, 1 - _BEYOND) for runs in groups)
    if not high > low:
        margin = max(1.0, abs(low)) * 0.5
        low, high = low - margin, high + margin
    edges = np.linspace(low, high, bins + 1)
    return ScoreHistogram(edges, inliers=_counts(groups[1], edges), anomalies=_counts(groups[0], edges))


def _counts(runs: Sequence[Run], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the values of ascending runs in [edge, next edge), the outer bins being open."""
    below = np.zeros(len(edges) - 2, np.int64)
    for run in runs:
        below += _below(run.values, edges[1:-1])
        run.release()
    return np.diff(below, prepend=0, append=sum(len(run.values) for run in runs))


def _quantile(runs: Sequence[Run], share: float) -> float:
    """Return where at most this share of the finite values lies below, by halving; however the runs were cut."""
    finite = [part for run in runs if len(part := _finite(run.values))]
    if not finite:
        return 0.0
    low = min(float(part[0]) for part in finite)
    high = max(float(part[-1]) for part in finite)
    wanted = share * sum(map(len, finite))
    for _ in range(_HALVINGS):
        # Halves are summed, as the sum of two large values may overflow.
        middle = low / 2 + high / 2
        if sum(int(_below(part, np.array(middle))) for part in finite) <= wanted:
            low = middle
        else:
            high = middle
    return low


def _finite(values: Scores) -> Scores:
    """Return the part of ascending values between the infinities."""
    return values[np.searchsorted(values, -np.inf, side="right") : np.searchsorted(values, np.inf)]


def _below(values: Scores, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the ascending values below each edge."""
    # In the type of the values, or all of them would be copied; rounded up, so that the same values are below.
    rounded = edges.astype(values.dtype)
    rounded = np.where(rounded < edges, np.nextafter(rounded, np.array(np.inf, values.dtype)), rounded)
    return np.searchsorted(values, rounded)
