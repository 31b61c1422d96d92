"""Poles, lamps, traffic lights and traffic signs."""

from __future__ import annotations

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import METAL, WOOD, Colour, grey, near, paint

_RED, _WHITE, _BLUE = np.array([190.0, 30, 35]), np.array([228.0, 228, 224]), np.array([30.0, 80, 165])
_OCTAGON = np.linspace(0, 2 * np.pi, 9)[:-1] + np.pi / 8


def paint_pole(canvas: Canvas, x: float, z: float, random: np.random.Generator) -> None:
    """Paint a street lamp with an arm over the road, a mast of wood, or a bollard."""
    brush = Brush(canvas, Class.POLE, x, z, facing=-1 if x > 0 else 1)
    kind = random.random()
    if kind < 0.2:
        colour = near(random, METAL)
        brush.shadow(-0.1, 0.1, 1.0)
        brush.box(-0.09, 0, 0.09, random.uniform(0.8, 1.2), colour)
        brush.box(-0.09, 0.6, 0.09, 0.75, grey(random, 150, 230))
        return
    height, width = random.uniform(5, 10), random.uniform(0.14, 0.28)
    colour = near(random, WOOD if kind < 0.4 else METAL)
    brush.shadow(-0.1, 0.1, height)
    brush.polygon([(-width / 2, 0), (-width / 3, height), (width / 3, height), (width / 2, 0)], colour)
    brush.box(-width * 0.8, 0, width * 0.8, 0.5, colour * 0.9)
    if kind < 0.4:
        brush.bar((-1, height - 0.6), (1, height - 0.6), 0.14, colour)
        return
    reach = random.uniform(0.8, 2.4)
    brush.path([(0, height), (reach * 0.5, height + 0.35), (reach, height + 0.35)], 0.1, colour)
    brush.box(reach - 0.1, height + 0.22, reach + 0.7, height + 0.4, colour * 1.15)
    brush.shade(0.1)


def paint_traffic_light(canvas: Canvas, x: float, z: float, random: np.random.Generator) -> None:
    """Paint a traffic light at the roadside, and often another one on an arm over the road."""
    facing = -1 if x > 0 else 1
    pole = Brush(canvas, Class.POLE, x, z, facing=facing)
    colour, housing = near(random, METAL), grey(random, 15, 60, 6)
    if random.random() < 0.25:
        housing = np.array([190, 160, 40]) * random.uniform(0.6, 1.1)
    lit = int(random.integers(3))
    back = random.random() < 0.15
    low = random.uniform(2.3, 3.0)
    pole.shadow(-0.1, 0.1, low)
    pole.box(-0.08, 0, 0.08, low + 0.6, colour)
    heads = [(0.0, low)]
    if random.random() < 0.5:
        reach, top = random.uniform(2, 5), random.uniform(5, 6.2)
        pole.box(-0.09, 0, 0.09, top, colour)
        pole.bar((0, top), (reach, top + 0.1), 0.13, colour)
        heads.append((reach, top - 0.75))
    size = random.uniform(1.0, 1.35)
    for middle, bottom in heads:
        _paint_head(pole.turn_to(Class.TRAFFIC_LIGHT), middle, bottom, size, housing, -1 if back else lit)


def _paint_head(brush: Brush, x: float, bottom: float, size: float, housing: Colour, lit: int) -> None:
    brush.box(x - 0.21 * size, bottom, x + 0.21 * size, bottom + 1.05 * size, housing)
    lamps = (np.array([235.0, 50, 40]), np.array([240.0, 180, 50]), np.array([60.0, 220, 130]))
    if lit < 0:
        brush.box(x - 0.12 * size, bottom + 0.15, x + 0.12 * size, bottom + 0.8 * size, housing * 1.5)
        return
    for place, lamp in enumerate(lamps):
        shown = lamp if place == lit else lamp * 0.28
        brush.disc(x, bottom + size * (0.86 - 0.33 * place), 0.13 * size, shown)


def paint_sign(canvas: Canvas, x: float, z: float, random: np.random.Generator) -> None:
    """Paint a traffic sign on a pole, sometimes two of them, or a large board."""
    pole = Brush(canvas, Class.POLE, x, z)
    sign = pole.turn_to(Class.TRAFFIC_SIGN)
    height = random.uniform(2.2, 3.0)
    pole.shadow(-0.1, 0.1, height)
    if random.random() < 0.15:
        board = (_BLUE, np.array([30.0, 110, 60]), np.array([215.0, 180, 50]), _WHITE)[int(random.integers(4))]
        width, tall = random.uniform(1.6, 3.2), random.uniform(0.9, 1.8)
        for leg in (-width * 0.4, width * 0.4):
            pole.box(leg - 0.06, 0, leg + 0.06, height, grey(random, 90, 170))
        sign.box(-width / 2, height, width / 2, height + tall, _WHITE)
        sign.box(-width / 2 + 0.06, height + 0.06, width / 2 - 0.06, height + tall - 0.06, board)
        text = 255 - board if board is _WHITE else _WHITE
        for line in np.arange(0.25, tall - 0.2, 0.35).tolist():
            sign.box(-width * 0.38, height + line, width * random.uniform(-0.1, 0.4), height + line + 0.12, text)
        sign.shade(0.1)
        return
    pole.box(-0.045, 0, 0.045, height + 0.5, grey(random, 90, 180))
    wear = random.uniform(0.7, 1.08)
    for middle in (height + 0.35, height - 0.45)[: 1 + int(random.random() < 0.3)]:
        _paint_plate(sign, middle, random.uniform(0.32, 0.48), wear, random)


def _paint_plate(sign: Brush, y: float, radius: float, wear: float, random: np.random.Generator) -> None:
    red, white, blue = _RED * wear, _WHITE * wear, _BLUE * wear
    kind = int(random.integers(7))
    triangle = np.array([(-1.05, -0.75), (0, 1.05), (1.05, -0.75)])
    diamond = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
    if kind == 6:
        sign.disc(0, y, radius, grey(random, 110, 170, 5))
        return
    if kind == 0:
        sign.disc(0, y, radius, red)
        sign.disc(0, y, radius * 0.72, white)
        for x in (-0.28, 0.12):
            sign.box((x - 0.1) * radius, y - 0.35 * radius, (x + 0.22) * radius, y + 0.35 * radius, white * 0.15)
    elif kind == 1:
        sign.disc(0, y, radius, red)
        sign.box(-radius * 0.65, y - radius * 0.16, radius * 0.65, y + radius * 0.16, white)
    elif kind == 2:
        turned = -1 if random.random() < 0.4 else 1
        sign.polygon(triangle * (radius, radius * turned) + (0, y), red)
        sign.polygon(triangle * (radius * 0.62, radius * 0.62 * turned) + (0, y), white)
        if turned > 0:
            sign.box(-0.08 * radius, y - 0.3 * radius, 0.08 * radius, y + 0.35 * radius, white * 0.1)
    elif kind == 3:
        octagon = np.stack([np.cos(_OCTAGON), np.sin(_OCTAGON)], 1)
        sign.polygon(octagon * radius * 1.05 + (0, y), red)
        sign.box(-radius * 0.7, y - radius * 0.2, radius * 0.7, y + radius * 0.2, white)
    elif kind == 4:
        sign.box(-radius, y - radius, radius, y + radius, blue if random.random() < 0.7 else paint(random))
        sign.polygon(triangle * radius * 0.6 + (0, y), white)
    else:
        sign.polygon(diamond * radius * 1.15 + (0, y), white)
        sign.polygon(diamond * radius * 0.85 + (0, y), np.array([225.0, 180, 40]) * wear)
