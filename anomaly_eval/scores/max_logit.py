"""Maximum logit (Hendrycks et al., "Scaling out-of-distribution detection for real-world settings", ICML 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor


def max_logit(logits: Tensor | ClassStatistics) -> Tensor:
    """Return minus the largest logit."""
    return -ClassStatistics.of(logits).max


class MaxLogit(Score):
    """Maximum logit, negated."""

    name = "max_logit"
    title = "Max logit"
    paper = "Hendrycks et al., ICML 2022"
    place = 3

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return max_logit(statistics)
