"""Where two predictions differ the most: boxes around the largest regions that only one of them has right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import VOID

_CELL_SHARE = 64
"""Cells along the long side of an image."""


@dataclass(frozen=True)
class Frame:
    """A box in pixels of the image: its left upper corner and its size."""

    x: int
    y: int
    width: int
    height: int

    def meets(self, other: Frame) -> bool:
        """Whether both boxes have pixels in common."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


def wrong_pixels(predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where class ids (h, w) are not those of the label; void pixels are neither right nor wrong."""
    return np.asarray((predicted != label) & (label != VOID))


def largest_differences(
    predictions: Sequence[NDArray[np.uint8]], label: NDArray[np.uint8], count: int = 2
) -> list[Frame]:
    """Return up to `count` boxes where some predictions (h, w) are right and others wrong, the largest region first.

    Regions are made of square cells most of which differ, so that the pixel-wide seams between classes are none. One
    whose box meets a larger one's is left out.
    """
    wrong = np.stack([wrong_pixels(predicted, label) for predicted in predictions])
    differing = wrong.any(axis=0) & ~wrong.all(axis=0)
    height, width = label.shape
    cell = max(1, max(height, width) // _CELL_SHARE)
    padded = np.pad(differing, ((0, -height % cell), (0, -width % cell)))
    shares = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell).mean(axis=(1, 3))
    mask = (shares > 0.5).astype(np.uint8)
    found, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    # Region 0 is the ground. A stable sort keeps the first of equally large ones first.
    order = sorted(range(1, found), key=lambda region: -int(boxes[region, cv2.CC_STAT_AREA]))
    frames: list[Frame] = []
    for region in order:
        left, top, columns, rows = (int(value) * cell for value in boxes[region, : cv2.CC_STAT_AREA])
        # A margin of a cell on all sides, within the image.
        x, y = max(0, left - cell), max(0, top - cell)
        right, bottom = min(width, left + columns + cell), min(height, top + rows + cell)
        frame = Frame(x, y, right - x, bottom - y)
        if not any(frame.meets(other) for other in frames):
            frames.append(frame)
    return frames[:count]
