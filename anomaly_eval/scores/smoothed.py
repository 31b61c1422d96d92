"""Scores averaged over their surroundings: what a network finds unknown is seldom smaller than its own grid."""

from __future__ import annotations

from torch import Tensor

from anomaly_eval.scores.base import Score
from anomaly_eval.scores.boundaries import smooth
from anomaly_eval.scores.density import Density
from anomaly_eval.scores.energy import Energy
from anomaly_eval.scores.entropy import Entropy
from anomaly_eval.scores.max_logit import MaxLogit
from anomaly_eval.scores.msp import MSP

_PER_SHORT_SIDE = 60
_REACH = 3
_TAPS_PER_DEVIATION = 2


def smooth_score(score: Tensor) -> Tensor:
    """Filter a score map (height, width) with a Gaussian whose deviation is a 60th of the short side.

    That is 12 pixels of 720, about 1.5 cells of a network of stride 8; chosen on RoadAnomaly21 and on drawn things in
    CamVid val (reports/measured/camvid). Cut at three deviations, the border replicated; with a tap at each half
    deviation, which is exact enough for maps that come from a network's coarser grid.
    """
    deviation = min(score.shape) / _PER_SHORT_SIDE
    dilation = max(1, int(deviation / _TAPS_PER_DEVIATION))
    sigma = deviation / dilation
    return smooth(score, size=2 * max(1, round(_REACH * sigma)) + 1, sigma=sigma, dilation=dilation)


class _Smoothed(Score):
    """What smoothed scores share; they are other scores than those that they smooth, and computed when named only."""

    by_default = False

    def refine(self, score: Tensor, predicted: Tensor | None) -> Tensor:
        return smooth_score(score)


class SmoothedDensity(_Smoothed, Density):
    """GMMSeg's anomaly score, smoothed."""

    name = "gmmseg_smoothed"


class SmoothedMSP(_Smoothed, MSP):
    """Maximum softmax probability, negated and smoothed."""

    name = "msp_smoothed"


class SmoothedEntropy(_Smoothed, Entropy):
    """Entropy of the softmax, smoothed."""

    name = "entropy_smoothed"


class SmoothedMaxLogit(_Smoothed, MaxLogit):
    """Maximum logit, negated and smoothed."""

    name = "max_logit_smoothed"


class SmoothedEnergy(_Smoothed, Energy):
    """Free energy, smoothed."""

    name = "energy_smoothed"
