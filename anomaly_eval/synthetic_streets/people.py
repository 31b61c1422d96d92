"""Persons, and riders on bicycles and motorcycles."""

from __future__ import annotations

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas, crop_around
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import METAL, SKIN, Colour, grey, near, paint

_HAIR = ((40, 30, 24), (96, 68, 40), (24, 22, 22), (170, 140, 90), (130, 124, 120))


def paint_person(canvas: Canvas, x: float, z: float, random: np.random.Generator) -> None:
    """Paint somebody who walks or stands, with clothes, and sometimes a bag."""
    tall = random.uniform(1.5, 1.92) if random.random() < 0.85 else random.uniform(0.95, 1.4)
    facing = 1 if random.random() < 0.5 else -1
    brush = Brush(canvas, Class.PERSON, x, z, (3.0, 4.0), facing, tall / 1.75)
    stride = random.uniform(0.02, 0.34) * (1 if random.random() < 0.7 else 0.2)
    coat, trousers, skin, shoes = paint(random), paint(random), near(random, SKIN, 5), grey(random, 20, 120)
    swing = stride * random.uniform(0.5, 1.1)
    brush.shadow(-0.2, 0.2, 1.7)
    for foot, shade in ((-stride, 0.82), (stride, 1.0)):
        knee = (foot * 0.45 + 0.03, 0.47)
        if random.random() < 0.15:
            trousers = skin
        brush.bar((0.06 * np.sign(foot), 0.86), knee, 0.17, trousers * shade)
        brush.bar(knee, (foot, 0.08), 0.13, trousers * shade)
        brush.box(foot - 0.07, 0, foot + 0.16, 0.09, shoes)
    hem = 0.5 if random.random() < 0.25 else 0.8
    brush.bar((0.05, 1.38), (-swing - 0.06, 0.86), 0.1, coat * 0.8)
    wide = random.uniform(0.18, 0.25)
    brush.polygon(
        [(-wide, hem), (-wide * 1.05, 1.3), (-wide * 0.75, 1.46), (wide * 0.75, 1.46), (wide * 1.05, 1.3), (wide, hem)],
        coat,
    )
    brush.box(-wide * 0.6, 1.0, wide * 0.5, 1.3, coat * random.uniform(0.85, 1.15))
    brush.bar((-0.04, 1.36), (swing, 1.06), 0.1, coat * 0.9)
    brush.bar((swing, 1.06), (swing + 0.12, 0.86), 0.09, coat * 0.9)
    brush.disc(swing + 0.13, 0.84, 0.05, skin)
    if random.random() < 0.4:
        bag = paint(random) * 0.8
        if random.random() < 0.5:
            brush.box(-wide - 0.14, 0.95, -wide + 0.06, 1.38, bag)
        else:
            brush.box(swing, 0.5, swing + 0.28, 0.82, bag)
    _paint_head(brush, (0.03, 1.6), skin, near(random, _HAIR, 6), random)
    brush.shade(0.35)


def _paint_head(
    brush: Brush, place: tuple[float, float], skin: Colour, hair: Colour, random: np.random.Generator
) -> None:
    x, y = place
    brush.box(x - 0.06, y - 0.18, x + 0.05, y - 0.05, skin * 0.85)
    brush.disc(x, y + 0.02, 0.115, hair, 1.2)
    if random.random() < 0.75:
        brush.disc(x + 0.03, y - 0.02, 0.085, skin, 1.15)


def paint_bicycle(canvas: Canvas, x: float, z: float, random: np.random.Generator, rider: bool = False) -> None:
    """Paint a bicycle, across the view or along it, with or without its rider."""
    facing = 1 if random.random() < 0.5 else -1
    brush = Brush(canvas, Class.BICYCLE, x, z, (2.5, 2.0), facing, random.uniform(0.92, 1.08))
    colour, tyre = paint(random), grey(random, 15, 50, 4)
    if random.random() < (0.5 if rider else 0.25):
        _paint_bicycle_from_behind(brush, colour, tyre, rider, random)
        return
    brush.shadow(-0.8, 0.8, 0.8)
    hubs, radius = (-0.52, 0.52), 0.34
    _see_through(brush, [(hub, radius, radius) for hub in hubs], tyre)
    crank, seat, head = (-0.06, 0.3), (-0.22, 0.88), (0.38, 0.86)
    for start, end in ((crank, (-0.18, 0.78)), (crank, head), ((-0.18, 0.78), head), (crank, (hubs[0], radius))):
        brush.bar(start, end, 0.055, colour)
    brush.bar((hubs[0], radius), (-0.18, 0.78), 0.045, colour)
    brush.bar((hubs[1], radius), (0.36, 0.98), 0.055, colour)
    brush.path([(0.24, 1.03), (0.42, 1.0), (0.46, 0.94)], 0.05, tyre)
    brush.box(seat[0] - 0.14, seat[1], seat[0] + 0.12, seat[1] + 0.07, tyre)
    if random.random() < 0.3:
        brush.box(-0.75, 0.6, -0.35, 0.85, paint(random) * 0.8)
    if rider:
        _paint_rider(brush.turn_to(Class.RIDER), (-0.2, 0.96), (0.36, 1.02), (0.02, 0.26), False, random)
    brush.shade(0.25)


def _paint_bicycle_from_behind(
    brush: Brush, colour: Colour, tyre: Colour, rider: bool, random: np.random.Generator
) -> None:
    brush.shadow(-0.25, 0.25, 1.0, 1.5)
    brush.disc(0, 0.35, 0.06, tyre, 5.8)
    brush.bar((0, 0.4), (0, 0.9), 0.07, colour)
    brush.bar((-0.3, 1.0), (0.3, 1.0), 0.06, tyre)
    brush.box(-0.09, 0.86, 0.09, 0.93, tyre)
    brush.box(-0.05, 0.62, 0.05, 0.68, np.array([200.0, 30, 30]))
    if rider:
        _paint_rider_from_behind(brush.turn_to(Class.RIDER), False, random)
    brush.shade(0.25)


def paint_motorcycle(canvas: Canvas, x: float, z: float, random: np.random.Generator, rider: bool = False) -> None:
    """Paint a motorcycle or a scooter, across the view or along it, with or without its rider."""
    facing = 1 if random.random() < 0.5 else -1
    brush = Brush(canvas, Class.MOTORCYCLE, x, z, (2.5, 2.0), facing, random.uniform(0.95, 1.15))
    colour, tyre, metal = paint(random), grey(random, 15, 50, 4), near(random, METAL)
    if random.random() < (0.5 if rider else 0.3):
        brush.shadow(-0.35, 0.35, 1.0, 1.8)
        brush.disc(0, 0.32, 0.11, tyre, 2.9)
        brush.polygon([(-0.2, 0.45), (-0.24, 0.8), (-0.12, 0.95), (0.12, 0.95), (0.24, 0.8), (0.2, 0.45)], colour)
        brush.box(-0.1, 0.72, 0.1, 0.8, np.array([205.0, 35, 30]))
        brush.box(-0.09, 0.5, 0.09, 0.63, grey(random, 180, 235))
        brush.box(0.18, 0.3, 0.3, 0.42, metal)
        brush.bar((-0.42, 1.05), (0.42, 1.05), 0.07, tyre)
        for mirror in (-0.4, 0.4):
            brush.disc(mirror, 1.18, 0.07, tyre)
        if rider:
            _paint_rider_from_behind(brush.turn_to(Class.RIDER), True, random)
        brush.shade(0.3)
        return
    brush.shadow(-0.95, 0.95, 0.9)
    for hub in (-0.68, 0.7):
        brush.disc(hub, 0.31, 0.31, tyre)
        brush.disc(hub, 0.31, 0.17, metal)
    brush.bar((0.7, 0.31), (0.48, 1.0), 0.09, metal)
    if random.random() < 0.4:
        brush.polygon(
            [(-0.8, 0.5), (-0.85, 0.75), (-0.1, 0.75), (0.0, 0.35), (0.35, 0.3), (0.3, 0.15), (-0.3, 0.2)], colour
        )
        brush.polygon([(0.3, 0.25), (0.42, 0.3), (0.56, 1.0), (0.42, 1.0)], colour)
    else:
        brush.box(-0.3, 0.24, 0.3, 0.62, metal * 0.7)
        brush.polygon([(-0.15, 0.6), (-0.1, 0.85), (0.3, 0.92), (0.48, 0.75), (0.3, 0.58)], colour)
        brush.polygon([(-0.95, 0.8), (-0.9, 0.9), (-0.45, 0.72), (-0.3, 0.6), (-0.55, 0.56)], colour)
    brush.bar((-0.2, 0.3), (-0.9, 0.34), 0.1, metal * 1.2)
    brush.box(-0.75, 0.74, -0.02, 0.86, tyre)
    brush.path([(0.25, 1.08), (0.45, 1.04), (0.55, 0.96)], 0.07, tyre)
    brush.disc(0.6, 0.82, 0.1, grey(random, 180, 245))
    if rider:
        _paint_rider(brush.turn_to(Class.RIDER), (-0.3, 0.86), (0.32, 1.06), (0.08, 0.3), True, random)
    brush.shade(0.3)


def _see_through(brush: Brush, wheels: list[tuple[float, float, float]], tyre: Colour) -> None:
    """Paint wheels with spokes: a ring, and inside it the background, darkened."""
    canvas = brush.canvas
    for x, y, radius in wheels:
        column, row = brush.column + x * brush.facing * brush.scale, brush.row - y * brush.scale
        reach = radius * brush.scale
        crop = crop_around(np.array([(column - reach, row - reach), (column + reach, row + reach)]), 2)
        if crop is None:
            continue
        seen = canvas.picture[crop].copy()
        canvas.indices[crop][canvas.indices[crop] == brush.index] = 0
        brush.disc(x, y, radius * 0.8, tyre)
        inside = canvas.indices[crop] == brush.index
        veiled = 0.7 * seen[inside] + 0.3 * (tyre + 40).astype(np.float32)
        brush.disc(x, y, radius, tyre)
        canvas.picture[crop][inside] = veiled


def _paint_rider(
    brush: Brush,
    seat: tuple[float, float],
    hands: tuple[float, float],
    feet: tuple[float, float],
    helmet: bool,
    random: np.random.Generator,
) -> None:
    coat, trousers, skin = paint(random), paint(random), near(random, SKIN, 5)
    shoulder = (seat[0] + random.uniform(0.12, 0.34), seat[1] + random.uniform(0.5, 0.58))
    for shift, shade in ((0.12, 0.8), (0.0, 1.0)):
        knee = (seat[0] + 0.42 + shift * 0.3, (seat[1] + feet[1]) / 2 + 0.12 + shift)
        foot = (feet[0] + shift * 0.6, feet[1] + shift)
        brush.bar(seat, knee, 0.17, trousers * shade)
        brush.bar(knee, foot, 0.13, trousers * shade)
        brush.box(foot[0] - 0.06, foot[1] - 0.06, foot[0] + 0.18, foot[1] + 0.04, grey(random, 20, 100))
    brush.bar((seat[0], seat[1] - 0.05), shoulder, 0.34, coat)
    elbow = ((shoulder[0] + hands[0]) / 2 - 0.02, (shoulder[1] + hands[1]) / 2 - 0.1)
    brush.path([shoulder, elbow, hands], 0.11, coat * 0.85)
    head = (shoulder[0] + 0.1, shoulder[1] + 0.24)
    if helmet or random.random() < 0.4:
        brush.disc(head[0] + 0.03, head[1] - 0.04, 0.1, skin)
        brush.disc(head[0], head[1] + 0.03, 0.14 if helmet else 0.125, paint(random))
        if helmet:
            brush.box(head[0] + 0.02, head[1] - 0.03, head[0] + 0.15, head[1] + 0.06, grey(random, 20, 80))
    else:
        _paint_head(brush, head, skin, near(random, _HAIR, 6), random)
    brush.shade(0.3)


def _paint_rider_from_behind(brush: Brush, helmet: bool, random: np.random.Generator) -> None:
    coat, trousers = paint(random), paint(random)
    for side in (-1, 1):
        brush.bar((side * 0.1, 0.95), (side * 0.22, 0.62), 0.17, trousers)
        brush.bar((side * 0.22, 0.62), (side * 0.16, 0.22), 0.13, trousers * 0.85)
        brush.box(side * 0.16 - 0.06, 0.14, side * 0.16 + 0.06, 0.24, grey(random, 20, 100))
        brush.path([(side * 0.2, 1.42), (side * 0.36, 1.2), (side * 0.3, 1.02)], 0.11, coat * 0.85)
    brush.polygon([(-0.18, 0.86), (-0.24, 1.3), (-0.16, 1.48), (0.16, 1.48), (0.24, 1.3), (0.18, 0.86)], coat)
    if random.random() < 0.35:
        brush.box(-0.15, 1.0, 0.15, 1.4, paint(random) * 0.8)
    if helmet or random.random() < 0.4:
        brush.disc(0, 1.64, 0.15 if helmet else 0.13, paint(random))
    else:
        _paint_head(brush, (0, 1.62), near(random, SKIN, 5), near(random, _HAIR, 6), random)
    brush.shade(0.3)
