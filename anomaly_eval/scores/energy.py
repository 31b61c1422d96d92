"""Free energy of the logits (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor


def energy(logits: Tensor | ClassStatistics) -> Tensor:
    """Return minus the log-sum-exp of the logits (temperature 1)."""
    statistics = ClassStatistics.of(logits)
    return -(statistics.max + statistics.log_partition)


class Energy(Score):
    """Free energy."""

    name = "energy"
    title = "Energy"
    paper = "Liu et al., NeurIPS 2020"
    place = 4

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return energy(statistics)
