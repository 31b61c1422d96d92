"""Trees and bushes: crowns of irregular outline with lit and shaded leaves."""

from __future__ import annotations

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas, Points
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import LEAVES, WOOD, Colour, near

_GRAIN = (10.0, 14.0)


def paint_tree(canvas: Canvas, x: float, z: float, random: np.random.Generator, spots: int = 26) -> None:
    """Paint a tree with a round crown, a conifer, or one that has lost its leaves."""
    brush = Brush(canvas, Class.VEGETATION, x, z, _GRAIN)
    height, leaves, bark = random.uniform(4, 12), near(random, LEAVES), near(random, WOOD) * 0.7
    if not brush.in_view(0.7 * height):
        return
    stem, wide = height * random.uniform(0.15, 0.4), height * random.uniform(0.22, 0.4)
    brush.shadow(-0.3, 0.3, height * 0.7)
    brush.bar((0, 0), (0, height * 0.6), 0.12 + 0.025 * height, bark)
    shape = random.random()
    if shape < 0.2:
        for low in np.linspace(stem, height * 0.75, 4).tolist():
            spread = wide * (1 - low / height) * 1.3
            brush.polygon(
                [(-spread, low), (0, low + height * 0.36), (spread, low)], leaves * random.uniform(0.85, 1.15)
            )
        return
    if shape < 0.32:
        for angle in random.uniform(0.3, 2.84, 9).tolist():
            reach = height * random.uniform(0.25, 0.45)
            start = (0.0, height * random.uniform(0.35, 0.6))
            tip = (reach * np.cos(angle), start[1] + reach * np.sin(angle))
            brush.bar(start, tip, 0.1, bark)
            brush.bar(tip, (tip[0] * 1.3, tip[1] + 0.15 * height), 0.06, bark)
        return
    _paint_crown(brush, (0, (height + stem) / 2), (wide, (height - stem) / 2), leaves, spots, random)


def paint_bush(canvas: Canvas, x: float, z: float, random: np.random.Generator, height: float | None = None) -> None:
    """Paint a bush, or a piece of a hedge."""
    brush = Brush(canvas, Class.VEGETATION, x, z, _GRAIN)
    tall = random.uniform(0.6, 2.2) if height is None else height
    _paint_crown(
        brush, (0, tall * 0.45), (tall * random.uniform(0.7, 1.1), tall * 0.55), near(random, LEAVES), 12, random
    )


def _paint_crown(
    brush: Brush,
    middle: tuple[float, float],
    half: tuple[float, float],
    leaves: Colour,
    spots: int,
    random: np.random.Generator,
) -> None:
    size = half[1] * brush.scale
    corners = 26 if size > 8 else 12
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = 1 + random.uniform(-0.2, 0.2, corners) + 0.12 * np.sin(angles * random.integers(2, 6))
    outline = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] * half + middle
    brush.polygon(outline, leaves)
    if size < 5:
        return
    spots = min(spots, int(size))
    sun = -np.sign(brush.canvas.light.across) * brush.facing
    for factor, shift in ((0.68, -0.3), (1.3, 0.32)):
        brush.polygon(_spots(middle, half, (sun * shift, shift), spots, random), np.clip(leaves * factor, 0, 235))


def _spots(
    middle: tuple[float, float],
    half: tuple[float, float],
    shift: tuple[float, float],
    count: int,
    random: np.random.Generator,
) -> Points:
    """Return small leaves as (count, 5, 2), most of them towards the shift."""
    angle, distance = random.uniform(0, 2 * np.pi, count), np.sqrt(random.uniform(0, 0.36, count))
    places = np.stack([np.cos(angle), np.sin(angle)], 1) * distance[:, None] + shift
    turn = np.linspace(0, 2 * np.pi, 5, endpoint=False) + random.uniform(0, 6, (count, 1))
    size = random.uniform(0.06, 0.2, (count, 5))
    leaves = np.stack([np.cos(turn), np.sin(turn)], -1) * size[..., None] + places[:, None]
    return np.asarray(leaves * half + middle)
