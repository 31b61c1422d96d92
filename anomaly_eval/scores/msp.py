"""Maximum softmax probability (Hendrycks and Gimpel, ICLR 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor


def msp(logits: Tensor | ClassStatistics) -> Tensor:
    """Return minus the largest softmax probability (temperature 1), in [-1, -1/classes]."""
    return -1.0 / ClassStatistics.of(logits).partition


class MSP(Score):
    """Maximum softmax probability, negated."""

    name = "msp"
    title = "MSP"
    paper = "Hendrycks and Gimpel, ICLR 2017"
    instead = ("probabilities",)
    place = 1

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return msp(statistics)
