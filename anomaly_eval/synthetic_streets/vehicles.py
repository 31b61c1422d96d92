"""Cars, trucks, buses and trains along the street: a face towards the camera and one long side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import Colour, grey, paint

_WHEEL = np.linspace(0, 2 * np.pi, 15)[:-1]


@dataclass(frozen=True)
class Hull:
    """A box on wheels: half its width, its length, height and clearance, and the side that can be seen."""

    half: float
    length: float
    height: float
    clearance: float
    side: float
    """x of the long side that can be seen."""


def _hull(x: float, width: float, length: float, height: float, clearance: float) -> Hull:
    return Hull(width / 2, length, height, clearance, x - width / 2 if x > 0 else x + width / 2)


def _along(brush: Brush, hull: Hull, boxes: NDArray[np.float64] | list[tuple[float, ...]]) -> NDArray[np.float64]:
    """Return boxes (start, bottom, stop, top) on the long side, with start and stop from 0 to 1, as (n, 4, 3)."""
    given = np.asarray(boxes, np.float64)
    corners = np.empty((len(given), 4, 3))
    corners[..., 0] = hull.side
    corners[..., 1] = given[:, (1, 3, 3, 1)]
    corners[..., 2] = given[:, (0, 0, 2, 2)] * hull.length + brush.z
    return corners


def _paint_wheels(
    brush: Brush, hull: Hull, places: tuple[float, ...], radius: float, tyre: Colour, rim: Colour
) -> None:
    for place in places:
        middle = brush.z + place * hull.length
        for size, colour in ((radius, tyre), (radius * 0.55, rim)):
            circle = np.stack(
                [np.full(14, hull.side), radius + size * np.sin(_WHEEL), middle + size * np.cos(_WHEEL)], -1
            )
            brush.solid(circle, colour)


def _paint_lamps(brush: Brush, half: float, y: float, size: tuple[float, float], way: int) -> None:
    """Paint tail lamps on what goes our way, head lamps on what comes."""
    colour = np.array([190.0, 25, 25]) if way > 0 else np.array([240.0, 238, 220])
    for side in (-1, 1):
        inner, outer = side * (half - size[0]), side * half * 0.97
        brush.box(min(inner, outer), y, max(inner, outer), y + size[1], colour)


def _paint_plate(brush: Brush, y: float, random: np.random.Generator) -> None:
    brush.box(
        -0.26, y, 0.26, y + 0.12, grey(random, 190, 240, 4) if random.random() < 0.8 else np.array([220.0, 180, 60])
    )


def paint_car(canvas: Canvas, x: float, z: float, way: int, random: np.random.Generator) -> None:
    """Paint a hatchback, an estate, a van or a saloon, from behind (way 1) or from the front (-1)."""
    brush = Brush(canvas, Class.CAR, x, z, (2.0, 1.5))
    van = random.random() < 0.18
    width, length = random.uniform(1.65, 1.95), random.uniform(3.7, 4.9)
    height = random.uniform(1.75, 2.2) if van else random.uniform(1.38, 1.68)
    hull = _hull(x, width, length, height, 0.22)
    half, waist = hull.half, height * random.uniform(0.54, 0.62)
    body, tyre = paint(random), grey(random, 18, 40, 3)
    glass, rim = grey(random, 25, 120, 14), grey(random, 90, 190, 5)
    light = canvas.light
    side_tone = 1 + 0.25 * light.strength * (1 if np.sign(light.across) == np.sign(x) else -1)
    brush.shadow(-half, half, height, length)
    inset = half * random.uniform(0.12, 0.24)
    # How far the cabin begins behind the face at its foot and at its roof, as shares of the length.
    foot, roof = (0.02, 0.04) if van else ((0.03, 0.14) if way > 0 else (0.24, 0.4))
    if not van and way > 0 and random.random() < 0.35:
        foot, roof = 0.16, 0.27
    back, tail = (0.84, 0.74) if way > 0 else (0.97, 0.86)
    brush.solid(_along(brush, hull, [(0, hull.clearance, 1, waist)]), body * side_tone * 0.95)
    top = hull.side + np.sign(hull.side - x) * -inset
    cabin = np.array([(hull.side, waist, foot), (top, height, roof), (top, height, tail), (hull.side, waist, back)])
    cabin[:, 2] = z + cabin[:, 2] * length
    brush.solid(cabin, body * side_tone)
    middle = cabin.mean(0)
    for share in (0.25, 0.75):
        pane = middle + (cabin - middle) * (1, 0.72, 0.4)
        pane[:, 2] += (share - 0.5) * 0.42 * length
        brush.solid(pane, glass)
    brush.solid(_along(brush, hull, [(0.48, hull.clearance + 0.1, 0.49, waist)]), body * 0.6)
    _paint_wheels(brush, hull, (0.18, 0.82), 0.31, tyre, rim)
    for side in (-1, 1):
        brush.box(side * half * 0.95 - 0.1, 0, side * half * 0.95 + 0.1, 0.4, tyre)
    roof_line = canvas.camera.project(
        [x - half * 0.96, x - half + inset, x + half - inset, x + half * 0.96],
        [waist, height, height, waist],
        [z + foot * length, z + roof * length, z + roof * length, z + foot * length],
    )
    brush.pixels(roof_line, body * 1.02)
    centre = roof_line.mean(0)
    brush.pixels(centre + (roof_line - centre) * (0.86, 0.74), glass)
    hood = canvas.camera.project(
        [x - half, x - half * 0.96, x + half * 0.96, x + half],
        [waist * 0.96, waist, waist, waist * 0.96],
        [z, z + foot * length, z + foot * length, z],
    )
    brush.pixels(hood, body * 1.12)
    brush.polygon(
        [(-half * 0.94, 0.2), (-half, 0.4), (-half, waist * 0.9), (-half * 0.95, waist), (half * 0.95, waist),
         (half, waist * 0.9), (half, 0.4), (half * 0.94, 0.2)],
        body,
    )  # fmt: skip
    brush.box(-half * 0.96, 0.22, half * 0.96, 0.45, body * random.uniform(0.4, 0.95))
    if way < 0:
        brush.box(-half * 0.55, 0.5, half * 0.55, waist * 0.72, grey(random, 15, 60, 4))
    _paint_lamps(brush, half, waist * random.uniform(0.66, 0.78), (random.uniform(0.22, 0.4), 0.15), way)
    _paint_plate(brush, 0.45 if way < 0 else random.uniform(0.4, 0.6), random)
    for side in (-1, 1):
        brush.disc(side * (half + 0.09), waist + 0.06, 0.1, body * 0.7, 0.8)
    brush.shade(0.35)


def paint_truck(canvas: Canvas, x: float, z: float, way: int, random: np.random.Generator) -> None:
    """Paint a truck with a cab and a box, a tarpaulin, or an open bed."""
    brush = Brush(canvas, Class.TRUCK, x, z, (2.0, 3.0))
    hull = _hull(x, random.uniform(2.2, 2.55), random.uniform(6, 12), random.uniform(2.7, 3.8), 0.9)
    half, height = hull.half, hull.height
    load, cab, tyre, frame = paint(random), paint(random), grey(random, 18, 45, 3), grey(random, 25, 80, 6)
    bed = random.random() < 0.25
    brush.shadow(-half, half, height, hull.length)
    begin, end = (0.0, 0.78) if way > 0 else (0.22, 1.0)
    cab_box = (0.8, 0.5, 1.0, min(2.6, height)) if way > 0 else (0.0, 0.5, 0.2, min(2.6, height))
    brush.solid(_along(brush, hull, [cab_box]), cab * 0.9)
    window = (cab_box[0] + 0.05, 1.6, cab_box[2] - 0.05, 2.3)
    brush.solid(_along(brush, hull, [window]), grey(random, 30, 110, 12))
    top = 1.6 if bed else height
    brush.solid(_along(brush, hull, [(begin, 0.6, end, 0.95)]), frame)
    brush.solid(_along(brush, hull, [(begin, 0.95, end, top)]), load * 0.9)
    ribs = np.linspace(begin, end, int(random.integers(3, 12)))[:-1]
    brush.solid(_along(brush, hull, np.stack([ribs, ribs * 0 + 0.95, ribs + 0.008, ribs * 0 + top], 1)), load * 0.7)
    if random.random() < 0.5:
        middle = (begin + end) / 2
        brush.solid(_along(brush, hull, [(middle - 0.2, top * 0.55, middle + 0.2, top * 0.8)]), paint(random))
    _paint_wheels(brush, hull, (0.12, 0.22, 0.88), 0.48, tyre, grey(random, 80, 170, 5))
    for side in (-1, 1):
        brush.box(side * half * 0.85 - 0.22, 0, side * half * 0.85 + 0.22, 0.75, tyre)
    if way > 0:
        brush.box(-half, 0.6, half, 0.95, frame)
        brush.box(-half, 0.95, half, top, load)
        brush.box(-half * 0.94, 1.05, half * 0.94, top - 0.1, load * random.uniform(0.88, 1.1))
        if not bed:
            brush.box(-0.03, 1.0, 0.03, top - 0.05, load * 0.6)
            for hinge in (-0.3, 0.3):
                brush.box(hinge - 0.03, 1.0, hinge + 0.03, top - 0.05, load * 0.75)
        stripe = np.array([200.0, 40, 40]) if random.random() < 0.5 else grey(random, 170, 230)
        brush.box(-half * 0.9, 0.68, half * 0.9, 0.82, stripe)
        _paint_lamps(brush, half, 0.7, (0.4, 0.16), way)
        _paint_plate(brush, 0.45, random)
    else:
        if not bed:
            brush.box(-half, 0.95, half, height, load * 0.85)
        face = min(2.6, height)
        brush.box(-half * 0.98, 0.45, half * 0.98, face, cab)
        brush.box(-half * 0.86, 1.55, half * 0.86, face - 0.2, grey(random, 25, 110, 12))
        brush.box(-half * 0.6, 0.75, half * 0.6, 1.35, cab * 0.55)
        for bar in (0.85, 1.05, 1.25):
            brush.box(-half * 0.6, bar, half * 0.6, bar + 0.04, grey(random, 90, 190))
        _paint_lamps(brush, half, 0.6, (0.4, 0.2), way)
        _paint_plate(brush, 0.47, random)
        for side in (-1, 1):
            brush.box(side * (half + 0.12) - 0.08, 1.6, side * (half + 0.12) + 0.08, 2.2, frame)
    brush.shade(0.3)


def paint_bus(canvas: Canvas, x: float, z: float, way: int, random: np.random.Generator) -> None:
    """Paint a city bus, sometimes with two decks."""
    brush = Brush(canvas, Class.BUS, x, z, (2.0, 2.0))
    decks = 2 if random.random() < 0.2 else 1
    height = random.uniform(2.9, 3.3) if decks == 1 else random.uniform(4.1, 4.5)
    hull = _hull(x, random.uniform(2.4, 2.6), random.uniform(9, 13), height, 0.3)
    half, body, glass = hull.half, paint(random), grey(random, 25, 120, 12)
    band = paint(random)
    brush.shadow(-half, half, height, hull.length)
    brush.solid(_along(brush, hull, [(0, hull.clearance, 1, height)]), body * 0.92)
    brush.solid(_along(brush, hull, [(0, 0.5, 1, random.uniform(0.7, 1.1))]), band)
    count = int(random.integers(5, 9))
    edges = np.linspace(0.02, 0.98, count + 1)[:-1]
    for deck in range(decks):
        low = 1.35 + deck * 1.75
        panes = np.stack([edges, edges * 0 + low, edges + 0.9 / count, edges * 0 + low + 1.0], 1)
        brush.solid(_along(brush, hull, panes), glass)
    for door in (0.12, 0.55):
        brush.solid(_along(brush, hull, [(door, 0.4, door + 0.1, 2.4)]), glass * 0.8)
    _paint_wheels(brush, hull, (0.2, 0.8), 0.48, grey(random, 18, 45, 3), grey(random, 80, 170, 5))
    for side in (-1, 1):
        brush.box(side * half * 0.85 - 0.15, 0, side * half * 0.85 + 0.15, 0.5, grey(random, 18, 40, 3))
    brush.box(-half, hull.clearance, half, height, body)
    brush.box(-half, hull.clearance + 0.1, half, 0.85, band)
    for deck in range(decks):
        low = 1.2 + deck * 1.75
        brush.box(-half * 0.88, low + 0.1 * way, half * 0.88, low + (1.1 if way > 0 else 1.35), glass)
    brush.box(-half * 0.6, height - 0.42, half * 0.6, height - 0.12, grey(random, 15, 40, 3))
    digits = np.arange(-half * 0.5, half * 0.4, 0.22)
    for digit in digits[random.random(len(digits)) < 0.7].tolist():
        brush.box(digit, height - 0.36, digit + 0.13, height - 0.18, np.array([250.0, 190, 60]))
    if way < 0:
        brush.box(-0.03, 1.2, 0.03, 2.4, body * 0.5)
    _paint_lamps(brush, half, 0.65, (0.36, 0.2), way)
    _paint_plate(brush, 0.4, random)
    for side in (-1, 1):
        brush.box(side * (half + 0.14) - 0.09, 1.9, side * (half + 0.14) + 0.09, 2.5, grey(random, 20, 60, 4))
    brush.shade(0.3)


def paint_train(canvas: Canvas, x: float, z: float, way: int, random: np.random.Generator) -> None:
    """Paint a tram of several cars with a pantograph."""
    brush = Brush(canvas, Class.TRAIN, x, z, (2.0, 2.0))
    height = random.uniform(3.2, 3.7)
    hull = _hull(x, random.uniform(2.3, 2.65), random.uniform(20, 36), height, 0.2)
    half, body, glass, skirt = hull.half, paint(random), grey(random, 20, 100, 10), grey(random, 40, 120, 12)
    stripe = paint(random)
    brush.shadow(-half, half, height, hull.length)
    cars = int(random.integers(2, 5))
    brush.solid(_along(brush, hull, [(0, 0.2, 1, height)]), body * 0.9)
    brush.solid(_along(brush, hull, [(0, 0.2, 1, 0.75)]), skirt)
    brush.solid(_along(brush, hull, [(0.01, 1.3, 0.99, 2.5)]), glass)
    brush.solid(_along(brush, hull, [(0, 2.6, 1, 2.8), (0, 1.0, 1, 1.15)]), stripe)
    pillars = np.linspace(0.02, 0.98, cars * 5)
    brush.solid(
        _along(brush, hull, np.stack([pillars, pillars * 0 + 1.3, pillars + 0.006, pillars * 0 + 2.5], 1)), body
    )
    joints = np.linspace(0, 1, cars + 1)[1:-1]
    if len(joints):
        bellows = np.stack([joints - 0.012, joints * 0 + 0.2, joints + 0.012, joints * 0 + height], 1)
        brush.solid(_along(brush, hull, bellows), grey(random, 20, 70, 4))
    brush.polygon(
        [(-half, 0.2), (-half, 2.4), (-half * 0.85, height), (half * 0.85, height), (half, 2.4), (half, 0.2)], body
    )
    brush.polygon([(-half * 0.85, 1.25), (-half * 0.78, 2.75), (half * 0.78, 2.75), (half * 0.85, 1.25)], glass)
    brush.box(-half * 0.95, 0.2, half * 0.95, 0.6, skirt)
    brush.box(-half * 0.97, 0.85, half * 0.97, 1.05, stripe)
    brush.box(-half * 0.45, 2.85, half * 0.45, height - 0.12, grey(random, 15, 40, 3))
    brush.box(-half * 0.3, 2.92, half * 0.25, height - 0.2, np.array([250.0, 190, 60]))
    colour = np.array([240.0, 238, 220]) if way < 0 else np.array([190.0, 25, 25])
    for side in (-1, 1):
        brush.disc(side * half * 0.68, 0.74, 0.13, colour)
    frame = grey(random, 40, 110)
    brush.path([(-0.5, height + 1.2), (-0.2, height), (0.2, height), (0.5, height + 1.2)], 0.06, frame)
    brush.bar((-0.8, height + 1.2), (0.8, height + 1.2), 0.07, frame)
    brush.shade(0.3)
