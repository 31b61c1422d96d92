"""Scores averaged over their surroundings: what a network finds unknown is seldom smaller than its own grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anomaly_eval.scores.base import Score
from anomaly_eval.scores.boundaries import replicate_border, smooth
from anomaly_eval.scores.density import Density
from anomaly_eval.scores.energy import Energy
from anomaly_eval.scores.entropy import Entropy
from anomaly_eval.scores.max_logit import MaxLogit
from anomaly_eval.scores.msp import MSP

if TYPE_CHECKING:
    from torch import Tensor

_PER_SHORT_SIDE = 60
_REACH = 4
_STEP, _WIDEST = 1.5, 3.0
"""Deviations of the first filters and the largest of the last, in distances between their taps."""


def smooth_score(score: Tensor) -> Tensor:
    """Filter a score map (height, width) with a Gaussian whose deviation is a 60th of the short side.

    That is 12 pixels of 720, about 1.5 cells of a network of stride 8; chosen on RoadAnomaly21 and on drawn things in
    CamVid val (reports/measured/camvid).
    """
    return gaussian(score, min(score.shape) / _PER_SHORT_SIDE)


def gaussian(score: Tensor, deviation: float) -> Tensor:
    """Filter (height, width) with a Gaussian of this deviation in pixels, cut at four deviations.

    Filters with taps 1, 2, 4, ... pixels apart follow one another: each leaves nothing that falls between the taps of
    the next, and their variances add up. Beyond the border its values go on.
    """
    height, width = score.shape
    # Once for all filters: each by itself would take its border from what is smoothed already.
    beyond = math.ceil(2 * _REACH * deviation) + 1
    score = replicate_border(score, beyond)
    variance, dilation = deviation**2, 1
    while variance > (_WIDEST * dilation) ** 2:
        score = smooth(score, _taps(_STEP), _STEP, dilation)
        variance, dilation = variance - (_STEP * dilation) ** 2, 2 * dilation
    sigma = variance**0.5 / dilation
    score = smooth(score, _taps(sigma), sigma, dilation)
    return score[beyond : beyond + height, beyond : beyond + width].contiguous()


def _taps(sigma: float) -> int:
    return 2 * max(1, math.ceil(_REACH * sigma)) + 1


class _Smoothed(Score):
    """What smoothed scores share; they are other scores than those that they smooth, and computed when named only."""

    paper = "ours"
    by_default = False

    def refine(self, score: Tensor, predicted: Tensor | None) -> Tensor:
        return smooth_score(score)


class SmoothedDensity(_Smoothed, Density):
    """GMMSeg's anomaly score, smoothed."""

    name = "gmmseg_smoothed"
    title = f"{Density.title} (smoothed)"
    place = 14


class SmoothedMSP(_Smoothed, MSP):
    """Maximum softmax probability, negated and smoothed."""

    name = "msp_smoothed"
    title = f"{MSP.title} (smoothed)"
    place = 10


class SmoothedEntropy(_Smoothed, Entropy):
    """Entropy of the softmax, smoothed."""

    name = "entropy_smoothed"
    title = f"{Entropy.title} (smoothed)"
    place = 11


class SmoothedMaxLogit(_Smoothed, MaxLogit):
    """Maximum logit, negated and smoothed."""

    name = "max_logit_smoothed"
    title = f"{MaxLogit.title} (smoothed)"
    place = 12


class SmoothedEnergy(_Smoothed, Energy):
    """Free energy, smoothed."""

    name = "energy_smoothed"
    title = f"{Energy.title} (smoothed)"
    place = 13
