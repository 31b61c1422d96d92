"""Random colours: wide within a class, and shared between classes, so that colour alone tells little."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float64]
"""RGB from 0 to 255, shape (3,)."""

STONE = ((176, 160, 134), (150, 146, 140), (120, 84, 70), (200, 192, 176), (104, 102, 104), (164, 120, 96))
PLASTER = (*STONE, (214, 198, 150), (190, 128, 110), (160, 178, 186), (226, 224, 218), (142, 160, 130))
LEAVES = ((62, 88, 42), (84, 106, 50), (46, 70, 46), (112, 118, 56), (140, 104, 48), (96, 84, 58), (70, 96, 70))
GRASS = ((98, 116, 58), (120, 124, 70), (140, 126, 84), (84, 104, 60), (128, 108, 78), (150, 142, 100))
SKIN = ((224, 180, 150), (198, 150, 116), (140, 98, 70), (92, 64, 48), (236, 200, 176))
METAL = ((88, 92, 94), (130, 134, 136), (60, 70, 64), (170, 172, 170), (44, 46, 50), (110, 92, 70))
WOOD = ((128, 94, 60), (98, 72, 48), (160, 128, 88), (108, 98, 86))


def grey(random: np.random.Generator, low: float, high: float, tint: float = 8) -> Colour:
    """Return a grey between two brightnesses, each channel up to `tint` off."""
    return random.uniform(low, high) + random.uniform(-tint, tint, 3)


def near(random: np.random.Generator, anchors: Sequence[tuple[int, int, int]], spread: float = 14) -> Colour:
    """Return a colour near one of the anchors, brighter or darker by up to a quarter."""
    anchor = np.array(anchors[int(random.integers(len(anchors)))], np.float64)
    return anchor * random.uniform(0.75, 1.25) + random.uniform(-spread, spread, 3)


def paint(random: np.random.Generator) -> Colour:
    """Return a colour of paint or cloth: greys, whites and blacks half of the time, else any hue."""
    if random.random() < 0.5:
        return grey(random, 25, 225, 8)
    hue, saturation, value = random.random(), random.uniform(0.25, 0.85), random.uniform(0.25, 0.9)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))
