"""Anomalies: which things, how large, and where; some take their look from the scene around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH, Camera
from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.oddities import ODDITIES
from anomaly_eval.synthetic_streets.street import Street
from anomaly_eval.synthetic_streets.thing import Thing, plan_thing

SMALLEST_SHARE, LARGEST_SHARE = 0.003, 0.03
"""Bounds of the share of anomaly pixels in a test image."""

_FILLING = 0.7
_OBJECTS = (Class.CAR, Class.BUS, Class.TRUCK, Class.PERSON, Class.BUILDING, Class.VEGETATION)
_GROUNDS = (Class.ROAD, Class.SIDEWALK, Class.TERRAIN)


def plan_anomalies(street: Street, camera: Camera, random: np.random.Generator) -> list[Thing]:
    """Return one to four anomalies that together should cover a wanted share of the pixels.

    What they really cover depends on what stands before them; the caller measures it and plans again.
    """
    count = int(random.choice([1, 2, 3, 4], p=[0.35, 0.3, 0.2, 0.15]))
    share = float(np.exp(random.uniform(np.log(SMALLEST_SHARE * 1.15), np.log(LARGEST_SHARE * 0.9))))
    parts = random.dirichlet(np.full(count, 1.2)) * share * HEIGHT * WIDTH
    return [_plan_one(street, camera, float(max(pixels, 40)), random) for pixels in parts]


def _plan_one(street: Street, camera: Camera, pixels: float, random: np.random.Generator) -> Thing:
    paint, smallest, largest = ODDITIES[list(ODDITIES)[int(random.integers(len(ODDITIES)))]]
    size = random.uniform(smallest, largest)
    # A thing of this size covers the wanted pixels at this depth; beyond the street's ends its size gives way.
    wanted = camera.focal * size * np.sqrt(_FILLING / pixels)
    z = float(np.clip(wanted, camera.nearest * 1.15, min(street.end * 0.7, 60)))
    size *= float(z / wanted)
    if random.random() < 0.82:
        x = random.uniform(street.left.kerb + 0.3, street.right.kerb - 0.3)
    else:
        x = random.uniform(street.left.front, street.right.front)
    # Those whose foot is outside the picture are moved to where it shows.
    reach = 0.92 * z / camera.focal
    bend = camera.curve * z * z
    low, high = -camera.vanishing * reach - bend, (WIDTH - camera.vanishing) * reach - bend
    x = float(np.clip(x, low + 0.4 * size, max(high - 0.4 * size, low + 0.4 * size)))
    facing = 1 if random.random() < 0.5 else -1
    anomaly = Anomaly(paint, (x, z), size, facing, camouflage=random.random())
    return plan_thing(z, lambda canvas, own: paint_anomaly(canvas, anomaly, own), random)


@dataclass(frozen=True)
class Anomaly:
    """One thing that no class knows: what it is, where it stands, (x, z) in metres, and how it looks."""

    paint: Callable[[Brush, np.random.Generator], None]
    place: tuple[float, float]
    size: float
    facing: int
    camouflage: float
    """Below 0.2 it takes the look of the ground, below 0.4 that of another object."""


def paint_anomaly(canvas: Canvas, anomaly: Anomaly, random: np.random.Generator) -> None:
    """Paint one anomaly with its shadow."""
    grain = (float(random.uniform(1, 7)), float(random.uniform(1, 8)))
    brush = Brush(canvas, Class.ANOMALY, *anomaly.place, grain, anomaly.facing, anomaly.size)
    brush.shadow(-0.5, 0.5, 0.8 * anomaly.size, 0.5 * anomaly.size)
    anomaly.paint(brush, random)
    if anomaly.camouflage < 0.4:
        _camouflage(canvas, brush.index, _GROUNDS if anomaly.camouflage < 0.2 else _OBJECTS, random)
    brush.shade(0.3)


def _camouflage(canvas: Canvas, index: int, sources: tuple[Class, ...], random: np.random.Generator) -> None:
    """Give a thing the colours of pixels of other classes, and leave a part of its own light and dark."""
    rows, columns = np.nonzero(canvas.indices == index)
    if not len(rows):
        return
    source = _source(canvas, sources, (float(rows.mean()), float(columns.mean())), random)
    if source is None:
        return
    row, column = source
    from_rows = np.clip(rows - int(rows.mean()) + row, 0, HEIGHT - 1)
    from_columns = np.clip(columns - int(columns.mean()) + column, 0, WIDTH - 1)
    own = canvas.picture[rows, columns].mean(-1, keepdims=True)
    relief = 0.6 + 0.4 * own / max(float(own.mean()), 1)
    taken = canvas.picture[from_rows, from_columns]
    kinds = canvas.classes()
    foreign = kinds[from_rows, from_columns] != kinds[row, column]
    taken[foreign] = canvas.picture[row, column]
    canvas.picture[rows, columns] = taken * relief
    below = canvas.surfaces[int(canvas.indices[row, column])]
    canvas.surfaces[index] = replace(canvas.surfaces[index], fine=below.fine, medium=below.medium)


def _source(
    canvas: Canvas, sources: tuple[Class, ...], middle: tuple[float, float], random: np.random.Generator
) -> tuple[int, int] | None:
    """Return a pixel of the wanted classes, a near one for the ground."""
    rows, columns = np.nonzero(np.isin(canvas.classes(), np.array(sources, np.uint8)))
    if not len(rows):
        return None
    chosen = random.integers(len(rows), size=16)
    distance = np.abs(rows[chosen] - middle[0]) + np.abs(columns[chosen] - middle[1])
    best = chosen[int(distance.argmin())] if sources is _GROUNDS else chosen[0]
    return int(rows[best]), int(columns[best])
