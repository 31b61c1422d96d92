"""The outline of a labelled anomaly, seen on every ground."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Stroke
from numpy.typing import NDArray

_DARK, _LIGHT = 1.0, 0.45
"""Points that both lines are thick."""
_DISTANCE = 200
"""Part of the picture's long side between mask and line."""


def add_outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw a light line on a wider dark one around a mask (h, w), in the pixels of a picture of the same size.

    The line keeps a distance, so that it covers nothing of the mask, and leaves out holes.
    """
    if not mask.any():
        return
    height, width = mask.shape
    # With a border of zeros, the line closes where the mask touches the edge of the picture.
    padded = np.pad(_surrounded(mask).astype(np.float32), 1)
    x, y = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
    lines = axes.contour(x, y, padded, levels=[0.5], colors=["white"], linewidths=[_LIGHT])
    lines.set_path_effects([Stroke(linewidth=_DARK, foreground="black"), Stroke(linewidth=_LIGHT, foreground="white")])
    axes.set(xlim=(0, width), ylim=(height, 0))


def _surrounded(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the mask (h, w) without holes, and larger by the distance of the line."""
    distance = max(1, max(mask.shape) // _DISTANCE)
    larger = cv2.dilate(mask.astype(np.uint8), np.ones((2 * distance + 1, 2 * distance + 1), np.uint8))
    outer, _ = cv2.findContours(larger, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, outer, -1, 1, cv2.FILLED)
    return filled
