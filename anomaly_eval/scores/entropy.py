"""Entropy of the softmax (the baseline "Entropy" of GMMSeg's Table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor


def entropy(logits: Tensor | ClassStatistics) -> Tensor:
    """Return the entropy of the softmax in nats, in [0, log(classes)].

    Computed from log probabilities: a class whose exponential underflows adds 0, as 0 log 0 should.
    """
    statistics = ClassStatistics.of(logits)
    weighted = (statistics.exponentials * statistics.shifted).sum(dim=0)
    return statistics.log_partition - weighted / statistics.partition


class Entropy(Score):
    """Softmax entropy."""

    name = "entropy"
    title = "Entropy"
    paper = "entropy of the softmax"
    instead = ("probabilities",)
    place = 2

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return entropy(statistics)
