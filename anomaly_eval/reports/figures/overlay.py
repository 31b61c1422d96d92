"""An image under the heat of its scores, with an outline around what is taken for unknown."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from anomaly_eval.reports.heatmap_figure import COLOUR_MAP

_MOST_HEAT = 0.7
"""How much of a picture the highest scores cover; the lowest ones cover nothing."""
_LINE = 800
"""Part of the long side that the light line is thick."""


def draw_overlay(
    image: NDArray[np.uint8],
    scores: NDArray[np.float32],
    scale: tuple[float, float],
    unknown: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) RGB.

    image: uint8 (height, width, 3) RGB. scores: (height, width), any values. scale: the lowest and the highest score
    that the colours tell apart; those below leave the image as it is. unknown: (height, width), what is outlined.
    """
    low, high = scale
    share = (scores.astype(np.float64) - low) / (high - low)
    level = (255 * np.clip(np.nan_to_num(share, nan=0.0), 0, 1)).astype(np.uint8)
    heat, weight = _colours()
    part = weight[level][..., np.newaxis]
    picture = ((image * (255 - part) + heat[level] * part + 127) // 255).astype(np.uint8)
    if unknown is not None and unknown.any():
        thickness = max(1, round(max(unknown.shape) / _LINE))
        lines, _ = cv2.findContours(unknown.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, (0, 0, 0), 3 * thickness, cv2.LINE_AA)
        cv2.drawContours(picture, lines, -1, (255, 255, 255), thickness, cv2.LINE_AA)
    return picture


@lru_cache(maxsize=1)
def _colours() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the colour (256, 3) of each level, and how much of the picture it covers (256,), in 255ths."""
    levels = np.arange(256)
    heat = (255 * colormaps[COLOUR_MAP](levels)[:, :3]).round().astype(np.uint16)
    return heat, (255 * _MOST_HEAT * levels / 255).round().astype(np.uint16)
