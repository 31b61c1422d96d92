"""Class density of a generative classifier (GMMSeg, NeurIPS 2022, section 3.3)."""

from __future__ import annotations

from torch import Tensor

from anomaly_eval.scores.base import ClassStatistics, Score


def negative_max_log_density(log_density: Tensor | ClassStatistics) -> Tensor:
    """Return -max_c log p(x|c): the paper's -max_c p(x|c) in log space, where float32 cannot overflow."""
    return -ClassStatistics.of(log_density).max


class Density(Score):
    """GMMSeg's anomaly score; needs class log densities before any normalisation over classes."""

    name = "gmmseg"
    source = "log_density"

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return negative_max_log_density(statistics)
