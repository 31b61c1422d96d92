"""What in the numbers of a method suggests that its scores are not what they should be."""

from __future__ import annotations

import shlex

import numpy as np

from anomaly_eval.metrics.counts import ThresholdCounts

_UPSIDE_DOWN = 0.4
"""An AUROC below this is hardly chance."""
_MANY_TIED = 0.5
"""Of all inliers."""


def doubts_about(method: str, counts: ThresholdCounts, auroc: float, negated: bool = False) -> list[str]:
    """Say where scores hold too few values to rank pixels, or rank them upside down; mostly empty.

    counts: of all pixels of a dataset. auroc: in [0, 1]. negated: whether the scores were taken times -1 already.
    """
    values = len(counts.thresholds)
    tied = int((counts.false_positives - counts.false_positives_above).sum())
    if values == 1 and tied == counts.n_inliers:
        return [f"all scores of {method} are equal, so they rank nothing; check where they come from"]
    found = []
    if values == 1 and counts.n_anomalies > 1:
        found.append(
            f"all anomaly pixels have the same score under {method}, as in a mask, so its AP and FPR95 are those of a "
            f"mask; give scores from before a threshold"
        )
    if values == 2 and tied == counts.n_inliers:
        found.append(
            f"the scores of {method} take two values only, so its AP and FPR95 are those of a mask; give scores from "
            f"before a threshold"
        )
    if values > 2 and (tie := _tie_at_95(counts)) is not None:
        share, score = tie
        found.append(
            f"{100 * share:.0f} % of the inliers have the same score under {method}, {score:g}, which is the threshold "
            f"of its FPR95; see whether probabilities are rounded to 1, and take a score of logits or densities"
        )
    if auroc < _UPSIDE_DOWN:
        remedy = "leave out" if negated else "if lower is more anomalous there, give"
        found.append(
            f"{method} scores anomalies lower than inliers (AUROC {100 * auroc:.2f}); {remedy} --negate "
            f"{shlex.quote(method)}"
        )
    return found


def _tie_at_95(counts: ThresholdCounts) -> tuple[float, float] | None:
    """Return which part of the inliers has the score at which 95 % of the anomalies are found, and that score.

    None where it is a small part.
    """
    place = int(np.searchsorted(counts.true_positives, 0.95 * counts.n_anomalies))
    tied = int(counts.false_positives[place] - counts.false_positives_above[place])
    share = tied / max(1, counts.n_inliers)
    return (share, float(counts.thresholds[place])) if share > _MANY_TIED else None
