"""Class density of a generative classifier (GMMSeg, NeurIPS 2022, section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction
    from anomaly_eval.segmenters.coarse_maps import CoarseMaps


def negative_max_log_density(log_density: Tensor | ClassStatistics) -> Tensor:
    """Return -max_c log p(x|c): the paper's -max_c p(x|c) in log space, where float32 cannot overflow."""
    return -ClassStatistics.of(log_density).max


def normalise_over_classes(log_density: Tensor) -> Tensor:
    """Shift and scale the values (classes, ...) of each pixel to mean 0 and variance 1, as a LayerNorm does."""
    from torch.nn import functional

    return functional.layer_norm(log_density.movedim(0, -1), (len(log_density),)).movedim(-1, 0)


class Density(Score):
    """GMMSeg's anomaly score; the largest component stands for its class, as in the paper."""

    name = "gmmseg"
    title = "GMMSeg"
    paper = "Liang et al., NeurIPS 2022"
    source = "log_density"
    needs = "class log densities"
    place = 7

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return negative_max_log_density(statistics)


class LogSumExpDensity(Density):
    """The same with the density of the whole mixture (Eq. 4)."""

    name = "gmmseg_logsumexp"
    title = "GMMSeg (log-sum-exp)"
    paper = "Liang et al., NeurIPS 2022, Eq. 4"
    source = "log_density_logsumexp"
    place = 8


class NormalisedDensity(Density):
    """For comparison: the same after a LayerNorm over the classes, where the official network has one.

    The norm leaves nothing of the density but how far the first class stands out; it is taken without the learnt scale
    and shift, on the network's own grid.
    """

    name = "gmmseg_normalised"
    title = "GMMSeg (normalised)"
    paper = "the official network's output"
    place = 9

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        maps = super().class_maps(prediction)
        return maps.like(normalise_over_classes(maps.values).contiguous())
