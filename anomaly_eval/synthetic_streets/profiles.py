"""Cars, trucks, buses and trains across the view, in profile."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import METAL, Colour, grey, near, paint


def _paint_wheels(brush: Brush, places: tuple[float, ...], radius: float, random: np.random.Generator) -> None:
    tyre, rim = grey(random, 18, 45, 3), grey(random, 90, 190, 5)
    for place in places:
        brush.disc(place, radius, radius, tyre)
        brush.disc(place, radius, radius * 0.55, rim)


def paint_car_profile(canvas: Canvas, x: float, z: float, facing: int, random: np.random.Generator) -> None:
    """Paint a car in profile; its nose points right where facing is 1."""
    brush = Brush(canvas, Class.CAR, x, z, (2.0, 1.5), facing, random.uniform(0.92, 1.1))
    body, glass = paint(random), grey(random, 25, 130, 14)
    brush.shadow(-2.1, 2.1, 1.4, 1.8)
    roof, waist = random.uniform(1.38, 1.6), random.uniform(0.82, 0.95)
    rear = random.choice([-2.05, -1.55])
    outline = [(-2.1, 0.3), (-2.15, waist - 0.1), (rear, waist), (rear + 0.45, roof - 0.05), (-0.6, roof)]
    outline += [(0.25, roof - 0.04), (0.95, waist + 0.02), (1.9, waist - 0.14), (2.15, 0.6), (2.12, 0.28)]
    brush.polygon(outline, body)
    brush.polygon(
        [(rear + 0.25, waist + 0.05), (rear + 0.55, roof - 0.12), (-0.48, roof - 0.08), (-0.48, waist + 0.05)], glass
    )
    brush.polygon([(-0.38, waist + 0.05), (-0.38, roof - 0.08), (0.2, roof - 0.1), (0.8, waist + 0.05)], glass)
    brush.box(-0.44, 0.35, -0.41, waist, body * 0.65)
    brush.box(-0.35, waist - 0.14, -0.15, waist - 0.09, body * 0.6)
    brush.box(-1.0, 0.28, 0.95, 0.36, body * 0.5)
    brush.box(1.95, 0.6, 2.12, 0.74, np.array([240.0, 238, 220]))
    brush.box(-2.14, 0.62, -2.0, 0.8, np.array([190.0, 25, 25]))
    _paint_wheels(brush, (-1.32, 1.35), 0.32, random)
    brush.shade(0.35)


def paint_truck_profile(canvas: Canvas, x: float, z: float, facing: int, random: np.random.Generator) -> None:
    """Paint a truck in profile."""
    brush = Brush(canvas, Class.TRUCK, x, z, (2.0, 3.0), facing)
    load, cab, frame = paint(random), paint(random), grey(random, 25, 80, 6)
    length, height = random.uniform(4, 8), random.uniform(2.5, 3.6)
    brush.shadow(-length, 2.2, height, 2.2)
    brush.box(-length, 0.55, 2.0, 0.9, frame)
    top = height if random.random() < 0.75 else 1.6
    brush.box(-length, 0.9, -0.1, top, load)
    for rib in np.linspace(-length, -0.1, int(random.integers(4, 14))).tolist():
        brush.box(rib, 0.95, rib + 0.05, top - 0.05, load * 0.78)
    if random.random() < 0.5:
        brush.box(-length * 0.75, top * 0.5, -length * 0.3, top * 0.8, paint(random))
    brush.polygon([(0, 0.45), (0, 2.6), (1.5, 2.6), (1.9, 1.6), (2.05, 1.4), (2.05, 0.45)], cab)
    brush.polygon([(0.55, 1.6), (0.55, 2.35), (1.35, 2.35), (1.65, 1.6)], grey(random, 30, 120, 12))
    brush.box(1.85, 0.7, 2.05, 0.95, np.array([240.0, 238, 220]))
    _paint_wheels(brush, (-length + 1.0, -length + 2.1, 1.1), 0.48, random)
    brush.shade(0.3)


def paint_bus_profile(canvas: Canvas, x: float, z: float, facing: int, random: np.random.Generator) -> None:
    """Paint a bus in profile."""
    brush = Brush(canvas, Class.BUS, x, z, (2.0, 2.0), facing)
    body, glass, band = paint(random), grey(random, 25, 120, 12), paint(random)
    half, height = random.uniform(4.6, 6.2), random.uniform(2.9, 3.3)
    brush.shadow(-half, half, height, 2.4)
    brush.box(-half, 0.3, half, height, body)
    brush.box(-half, 0.4, half, random.uniform(0.7, 1.1), band)
    edges = np.linspace(-half + 0.2, half - 0.2, int(random.integers(6, 10)))
    for left, right in pairwise(edges.tolist()):
        brush.box(left + 0.05, 1.35, right - 0.05, 2.35, glass)
    for door in (-half * 0.1, half * 0.75):
        brush.box(door, 0.4, door + 1.2, 2.45, glass * 0.8)
        brush.box(door + 0.57, 0.4, door + 0.63, 2.45, body * 0.6)
    _paint_wheels(brush, (-half * 0.62, half * 0.55), 0.5, random)
    brush.shade(0.3)


def paint_train_profile(
    canvas: Canvas, x: float, z: float, facing: int, random: np.random.Generator, bank: float = 0.0
) -> None:
    """Paint a railway train in profile, on the level or on a bank of earth so many metres high."""
    if bank:
        earth = Brush(canvas, Class.TERRAIN, x, z + 0.5, (9, 9))
        earth.box(-200, 0, 200, bank, near(random, ((110, 116, 70), (128, 112, 84), (96, 104, 66))))
    brush = Brush(canvas, Class.TRAIN, x, z, (2.0, 2.0), facing)
    body, glass, stripe = paint(random), grey(random, 20, 110, 10), paint(random)
    height, length, cars = random.uniform(3.3, 3.9), random.uniform(11, 18), int(random.integers(2, 5))
    if not bank:
        brush.shadow(-cars * length, 0, height, 2.5)
    dark: Colour = grey(random, 25, 60, 4)
    for car in range(cars):
        right = -car * length
        left = right - length + 0.4
        nose = 1.6 if car == 0 else 0.0
        base = bank
        brush.box(left + 0.5, base + 0.1, right - 0.5, base + 0.9, dark)
        for wheel in (left + 1.6, left + 3.2, right - 3.4, right - 1.8):
            brush.disc(wheel, base + 0.4, 0.42, dark * 1.4)
        brush.polygon(
            [
                (left, base + 0.7),
                (left, base + height),
                (right - nose, base + height),
                (right, base + 1.5),
                (right, base + 0.7),
            ],
            body,
        )
        brush.box(left, base + 1.1, right - 0.2, base + 1.45, stripe)
        brush.box(left, base + height - 0.25, right - nose, base + height, body * 0.7)
        for pane in np.arange(left + 0.8, right - nose - 1.6, 1.7).tolist():
            brush.box(pane, base + 1.75, pane + 1.25, base + 2.7, glass)
        if nose:
            brush.polygon(
                [
                    (right - 1.7, base + 1.9),
                    (right - 1.7, base + 2.9),
                    (right - 1.2, base + 2.9),
                    (right - 0.4, base + 1.9),
                ],
                glass,
            )
        brush.box(right, base + 0.9, right + 0.4, base + height - 0.4, dark)
    wire = near(random, METAL)
    brush.path([(-length / 2 - 0.6, bank + height), (-length / 2, bank + height + 1.0)], 0.08, wire)
    brush.shade(0.25)
