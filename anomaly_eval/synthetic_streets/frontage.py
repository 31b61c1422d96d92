"""What stands beside the street: rows of facades, houses, walls, fences and hedges, and what closes the view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.canvas import Canvas, crop_around
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import METAL, PLASTER, STONE, WOOD, Colour, grey, near, paint
from anomaly_eval.synthetic_streets.plants import paint_bush, paint_tree
from anomaly_eval.synthetic_streets.street import CROSSING_WIDTH, Side, Street
from anomaly_eval.synthetic_streets.thing import Thing, plan_thing

Boxes = NDArray[np.float64]
"""Windows as (left, bottom, right, top) on a facade, shape (n, 4), in metres."""


def paint_end(canvas: Canvas, street: Street, random: np.random.Generator) -> None:
    """Close the view at the end of the street with hills, houses and trees."""
    z = street.end
    if random.random() < 0.4:
        hills = Brush(canvas, Class.VEGETATION, 0, z * 3, (4, 8))
        along = np.linspace(-500, 500, 40)
        ridge = random.uniform(6, 40) + np.cumsum(random.uniform(-4, 4, 40))
        colour = near(random, ((70, 92, 60), (96, 104, 70), (84, 96, 92)))
        hills.polygon([(-500, -5), *zip(along.tolist(), np.maximum(ridge, 0).tolist(), strict=True), (500, -5)], colour)
    x = -z * 0.9
    while x < z * 0.9:
        width = random.uniform(8, 24)
        if random.random() < (0.7 if street.left.kind == "facades" else 0.35):
            _paint_front(canvas, x, z, width, random.uniform(4, 18), random)
        else:
            for _ in range(int(width / 4)):
                paint_tree(canvas, x + random.uniform(0, width), z * random.uniform(0.93, 1.0), random, spots=5)
        x += width


def plan_frontage(street: Street, side: Side, random: np.random.Generator) -> list[Thing]:
    """Return what stands along one side, in pieces that leave the streets that cross free."""
    pieces: list[Thing] = []
    z, style = street.end, int(random.integers(4))

    def add(near_end: float, far_end: float) -> None:
        span, chosen = (near_end, far_end), style
        pieces.append(plan_thing(far_end, lambda canvas, own: _paint_piece(canvas, side, span, chosen, own), random))

    while z > 1.5:
        length = random.uniform(8, 22) if side.kind != "park" else random.uniform(12, 40)
        near_end = max(z - length, 1.2)
        crossing = street.crossing
        if crossing is not None and near_end < crossing + CROSSING_WIDTH and z > crossing:
            if z > crossing + CROSSING_WIDTH + 3:
                add(crossing + CROSSING_WIDTH, z)
            z = crossing - 0.5
            continue
        if side.kind == "park" and random.random() < 0.3:
            style = int(random.integers(4))
        add(near_end, z)
        z = near_end - (random.uniform(2, 6) if random.random() < 0.25 else 0)
    return pieces


def _paint_piece(
    canvas: Canvas, side: Side, span: tuple[float, float], style: int, random: np.random.Generator
) -> None:
    if side.kind == "facades":
        _paint_building(canvas, side, _Building(side.front, span, random.uniform(6, 22)), random)
        return
    if side.kind == "houses":
        back = side.front + side.sign * random.uniform(3, 9)
        middle = span[0] + (span[1] - span[0]) * random.uniform(0.1, 0.3)
        _plant(canvas, side.front + side.sign * 6, span, random, 1.0)
        house = _Building(back, (middle, span[1] - 1), random.uniform(3.5, 8), gable=True)
        _paint_building(canvas, side, house, random)
        _plant(canvas, side.front + side.sign * 1.5, span, random, 0.4)
    else:
        far = random.uniform(3, 25)
        _plant(canvas, side.front + side.sign * far, span, random, 1.4 if side.kind == "park" else 0.7)
        if side.kind == "open":
            return
    (_paint_wall, _paint_fence, _paint_hedge, _paint_railing)[style](canvas, side, span, random)


def _plant(canvas: Canvas, x: float, span: tuple[float, float], random: np.random.Generator, density: float) -> None:
    thin = 0.5 if span[0] > 45 else 1.0
    count = random.poisson(thin * density * (span[1] - span[0]) / 6)
    for z in np.sort(random.uniform(min(span[0] + 1, span[1]), span[1], count))[::-1].tolist():
        place = x + random.uniform(-1.5, 1.5)
        (paint_bush if random.random() < 0.35 else paint_tree)(canvas, place, max(z, 3.5), random)


def _plane(x: float, boxes: Boxes, near_end: float) -> NDArray[np.float64]:
    """Return boxes on the plane of a facade along the street as corners (n, 4, 3)."""
    corners = np.empty((len(boxes), 4, 3))
    corners[..., 0] = x
    corners[..., 1] = boxes[:, (1, 3, 3, 1)]
    corners[..., 2] = boxes[:, (0, 0, 2, 2)] + near_end
    return corners


def _windows(width: float, bottom: float, top: float, random: np.random.Generator) -> Boxes:
    """Return rows of windows on a facade of this width."""
    storey, pane = random.uniform(2.7, 3.6), random.uniform(0.8, 1.6)
    pitch, tall = pane + random.uniform(0.6, 1.8), random.uniform(0.4, 0.6)
    along = np.arange(0.7, width - pane, pitch)
    up = np.arange(bottom + 0.25 * storey, top - storey * 0.6, storey)
    left, low = (grid.ravel() for grid in np.meshgrid(along, up))
    return np.stack([left, low, left + pane, low + tall * storey], 1)


@dataclass(frozen=True)
class _Building:
    """Where a building stands, in metres: its facade, and from where to where along the street."""

    x: float
    span: tuple[float, float]
    height: float
    gable: bool = False


def _paint_building(canvas: Canvas, side: Side, building: _Building, random: np.random.Generator) -> None:
    x, height = building.x, building.height
    near_end, far_end = max(building.span[0], 1.2), building.span[1]
    width, depth = far_end - near_end, random.uniform(7, 14)
    if width < 2:
        return
    wall = near(random, PLASTER)
    brush = Brush(canvas, Class.BUILDING, x, near_end, (2.5, 4.0))
    light = canvas.light
    sunny = 1 + 0.3 * light.strength * (1 if np.sign(light.across) == side.sign else -0.6)
    roof = near(random, ((120, 70, 54), (84, 80, 82), (100, 60, 50), (66, 66, 72)))
    outer = x + side.sign * depth
    ridge = height + random.uniform(1.5, 4)
    if building.gable:
        top = [(x, height, near_end), (x + side.sign * depth / 2, ridge, near_end), (outer, height, near_end)]
        brush.solid([*top, (outer, 0, near_end), (x, 0, near_end)], wall * 0.85)
        slope = [(x, height, far_end), (x + side.sign * depth / 2, ridge, far_end)]
        brush.solid([top[0], top[1], slope[1], slope[0]], roof * sunny)
    else:
        brush.solid(
            [(x, 0, near_end), (x, height, near_end), (outer, height, near_end), (outer, 0, near_end)], wall * 0.8
        )
    gable_windows = _windows(depth - 1, 0.4, height, random) if random.random() < 0.6 else np.zeros((0, 4))
    glass = grey(random, 25, 200, 18)
    if len(gable_windows):
        left, low, right, high = gable_windows.T
        ends = [(left, low), (left, high), (right, high), (right, low)]
        panes = np.stack([np.stack([x + side.sign * a, y, np.full(len(a), near_end)], -1) for a, y in ends], 1)
        brush.solid(panes, glass * 0.9)
    brush.solid(_plane(x, np.array([(0, 0, width, height)]), near_end), wall * sunny)
    ground = random.uniform(3, 4.2) if random.random() < 0.5 and height > 8 else 0.0
    windows = _windows(width, ground, height, random)
    if len(windows):
        frame = wall * random.uniform(0.6, 1.3) if random.random() < 0.5 else grey(random, 180, 235, 4)
        brush.solid(_plane(x, windows + np.array([-0.1, -0.1, 0.1, 0.1]), near_end), np.clip(frame, 0, 245))
        odd = random.random(len(windows)) < 0.25
        for chosen, shine in ((~odd, 1.0), (odd, random.uniform(0.4, 1.6))):
            if chosen.any():
                brush.solid(_plane(x, windows[chosen], near_end), np.clip(glass * shine, 0, 250))
    bands = np.array([(0, 0, width, 0.5), (0, height - 0.4, width, height)])
    brush.solid(_plane(x, bands, near_end), wall * random.uniform(0.6, 0.85))
    if ground:
        _paint_shops(brush, x, width, ground, near_end, random)
    else:
        door = random.uniform(0.5, max(width - 1.6, 0.6))
        brush.solid(_plane(x, np.array([(door, 0, door + 1.1, 2.2)]), near_end), paint(random) * 0.7)


def _paint_shops(
    brush: Brush, x: float, width: float, height: float, near_end: float, random: np.random.Generator
) -> None:
    edges = np.arange(0.4, width - 1.5, random.uniform(2.5, 4.5))
    for start, stop in zip(edges, [*edges[1:], width - 0.3], strict=True):
        glass, sign = grey(random, 30, 150, 20), paint(random)
        brush.solid(_plane(x, np.array([(start + 0.2, 0.4, stop - 0.2, height - 0.9)]), near_end), glass)
        if random.random() < 0.8:
            board = np.array([(start + 0.1, height - 0.8, stop - 0.1, height - 0.2)])
            brush.solid(_plane(x, board, near_end), sign)
            letters = np.arange(start + 0.5, stop - 0.6, 0.35)
            letters = letters[random.random(len(letters)) < 0.8]
            if len(letters):
                low = np.full(len(letters), height - 0.65)
                text = np.stack([letters, low, letters + 0.2, low + 0.3], 1)
                brush.solid(_plane(x, text, near_end), 255 - sign)


def _paint_front(canvas: Canvas, x: float, z: float, width: float, height: float, random: np.random.Generator) -> None:
    """Paint a building that faces the camera."""
    brush = Brush(canvas, Class.BUILDING, x, z + random.uniform(0, 0.5), (2.5, 4.0))
    wall, glass = near(random, PLASTER), grey(random, 25, 200, 18)
    brush.box(0, -1, width, height, wall)
    if random.random() < 0.6:
        roof = near(random, ((120, 70, 54), (84, 80, 82), (100, 60, 50)))
        ridge = height + random.uniform(1.5, 4)
        brush.polygon([(-0.4, height), (width * 0.2, ridge), (width * 0.8, ridge), (width + 0.4, height)], roof)
    windows = _windows(width, 0, height, random)
    if len(windows):
        left, low, right, high = windows.T
        corners = [(left, low), (left, high), (right, high), (right, low)]
        brush.polygon(np.stack([np.stack(corner, -1) for corner in corners], 1), glass)


def _paint_wall(canvas: Canvas, side: Side, span: tuple[float, float], random: np.random.Generator) -> None:
    length, height = span[1] - span[0], random.uniform(1.2, 3.5)
    brush = Brush(canvas, Class.WALL, side.front, span[0], (4.0, 5.0))
    colour = near(random, STONE) if random.random() < 0.7 else grey(random, 110, 190)
    brush.solid(_plane(side.front, np.array([(0, 0, length, height)]), span[0]), colour)
    ends = [(side.front, 0.0), (side.front, height), (side.front + side.sign * 0.4, height)]
    ends.append((side.front + side.sign * 0.4, 0.0))
    brush.solid([(x, y, span[0]) for x, y in ends], colour * 0.75)
    course = random.uniform(0.25, 0.6)
    rows = np.arange(course, height - 0.1, course)
    joints = np.stack([0 * rows, rows, 0 * rows + length, rows + 0.03], 1)
    if len(joints):
        brush.solid(_plane(side.front, joints, span[0]), colour * 0.82)
    if random.random() < 0.4:
        along = np.arange(0, length, random.uniform(2, 4))
        posts = np.stack([along, 0 * along, along + 0.3, 0 * along + height + 0.1], 1)
        brush.solid(_plane(side.front, posts, span[0]), colour * 1.1)
    if random.random() < 0.25:
        start = random.uniform(0, length * 0.7)
        spray = np.array([(start, 0.5, start + 2, height * 0.7), (start + 0.5, 0.8, start + 1.5, height * 0.6)])
        for box in spray:
            brush.solid(_plane(side.front, box[None], span[0]), paint(random))
    brush.solid(_plane(side.front, np.array([(0, height - 0.12, length, height)]), span[0]), colour * 1.2)


def _paint_fence(canvas: Canvas, side: Side, span: tuple[float, float], random: np.random.Generator) -> None:
    """Paint a fence of boards, with gaps that show as darker lines."""
    length, height = span[1] - span[0], random.uniform(1.0, 2.1)
    brush = Brush(canvas, Class.FENCE, side.front, span[0], (3.0, 3.0))
    colour = near(random, WOOD if random.random() < 0.6 else METAL)
    board = random.uniform(0.16, 0.4)
    along = np.arange(0, length - board, board * 1.25)
    brush.solid(_plane(side.front, np.array([(0, 0.1, length, height - 0.15)]), span[0]), colour * 0.6)
    boards = np.stack([along, 0 * along + 0.05, along + board, height + random.uniform(-0.1, 0.1, len(along))], 1)
    brush.solid(_plane(side.front, boards, span[0]), colour)


def _paint_railing(canvas: Canvas, side: Side, span: tuple[float, float], random: np.random.Generator) -> None:
    """Paint a railing or a mesh: posts and bars that let the background through, all of it labelled fence."""
    length, height = span[1] - span[0], random.uniform(1.0, 2.4)
    brush = Brush(canvas, Class.FENCE, side.front, span[0], (2.0, 2.0))
    colour = near(random, METAL)
    mesh = _plane(side.front, np.array([(0, 0.05, length, height)]), span[0])
    crop = crop_around(canvas.camera.project(mesh[..., 0], mesh[..., 1], mesh[..., 2]), 1)
    if crop is None:
        return
    picture = canvas.picture[crop]
    seen = picture.copy()
    brush.solid(mesh, colour)
    shown = canvas.indices[crop] == brush.index
    picture[shown] = 0.75 * seen[shown] + 0.25 * picture[shown]
    along = np.arange(0, length, random.uniform(0.15, 0.3))
    bars = np.stack([along, 0 * along + 0.05, along + 0.035, 0 * along + height], 1)
    brush.solid(_plane(side.front, bars, span[0]), colour)
    posts = np.arange(0, length, 2.5)
    frame = [np.stack([posts, 0 * posts, posts + 0.09, 0 * posts + height + 0.05], 1)]
    frame.append(np.array([(0, height - 0.07, length, height), (0, 0.15, length, 0.22)]))
    for boxes in frame:
        brush.solid(_plane(side.front, boxes, span[0]), colour)


def _paint_hedge(canvas: Canvas, side: Side, span: tuple[float, float], random: np.random.Generator) -> None:
    z = span[1]
    height: Colour = np.array([random.uniform(0.8, 1.8)])
    while z > max(span[0], 2.5):
        paint_bush(canvas, side.front + side.sign * 0.8, z, random, height=float(height[0]))
        z -= max(0.9, z * 0.06)
