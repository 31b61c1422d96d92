"""Sky and ground: everything that is painted before anything stands on it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH
from anomaly_eval.synthetic_streets.canvas import Canvas, Points, Surface
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import GRASS, STONE, Colour, grey, near
from anomaly_eval.synthetic_streets.street import CROSSING_WIDTH, Side, Street


def smooth_noise(random: np.random.Generator, rows: float, columns: float) -> NDArray[np.float32]:
    """Return noise of about unit variance, shape (HEIGHT, WIDTH), with spots of so many rows and columns."""
    shape = (max(int(HEIGHT / rows), 1) + 1, max(int(WIDTH / columns), 1) + 1)
    coarse = random.standard_normal(shape, np.float32)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def paint_sky(canvas: Canvas, random: np.random.Generator) -> Colour:
    """Paint sky over the whole canvas and return its colour at the horizon, that of distant haze."""
    low = grey(random, 150, 245, 12)
    overcast = random.random() < 0.5
    zenith = low * random.uniform(0.8, 1.0) if overcast else np.array([90, 140, 205]) * random.uniform(0.7, 1.15)
    if random.random() < 0.12:
        low = np.array([225, 170, 125]) * random.uniform(0.8, 1.1)
    above = min(int(canvas.camera.horizon) + 1, HEIGHT)
    down = np.linspace(0, 1, above, dtype=np.float32)[:, None, None]
    clouds = smooth_noise(random, 14, 60) + smooth_noise(random, 5, 18) * np.float32(0.4)
    share = np.clip(clouds[:above, :, None] * np.float32(random.uniform(0, 0.5)), 0, 0.9)
    white = grey(random, 200, 245, 6).astype(np.float32)
    sky = (zenith * (1 - down) + low * down).astype(np.float32)
    canvas.picture[:above] = sky + (white - sky) * share
    return low


def paint_ground(canvas: Canvas, street: Street, random: np.random.Generator) -> None:
    """Paint terrain, sidewalks and the road with its markings, as far as the street goes."""
    horizon = min(int(np.ceil(canvas.camera.horizon)), HEIGHT - 1)
    below = slice(horizon, HEIGHT)
    canvas.picture[below] = near(random, GRASS)
    canvas.indices[below] = canvas.add_surface(Surface(Class.TERRAIN, 0, 9, 9))
    pavement = near(random, STONE, 8) if random.random() < 0.4 else grey(random, 85, 190)
    stone = pavement * random.uniform(1.05, 1.3)
    for side in street.sides:
        _paint_side(canvas, street, side, pavement, stone, random)
    asphalt = grey(random, 55, 150, 7)
    edges = street.left.kerb, street.right.kerb
    end = street.end
    _paint(canvas, _strip(canvas, edges, (0, end)), asphalt, Surface(Class.ROAD, 0, 4, 3))
    if street.crossing is not None:
        crossing = _strip(canvas, (-150, 150), (street.crossing, street.crossing + CROSSING_WIDTH))
        _paint(canvas, crossing, asphalt, Surface(Class.ROAD, 0, 4, 3))
    _paint_repairs(canvas, street, asphalt, random)
    _paint_markings(canvas, street, random)
    if street.rails is not None:
        _paint_rails(canvas, street.rails, asphalt, end, random)


def paint_shade(canvas: Canvas, street: Street, random: np.random.Generator) -> None:
    """Lay the long shadows of what stands on the sunny side over the ground."""
    light = canvas.light
    side = street.left if light.across > 0 else street.right
    if light.strength < 0.15 or side.kind == "open":
        return
    z = 1.0
    while z < street.end:
        step = random.uniform(6, 25)
        reach = side.front + light.across * random.uniform(3, 14)
        edges = (min(side.front, reach), max(side.front, reach))
        if random.random() < 0.75:
            canvas.darken(_strip(canvas, edges, (z, z + step)), 1 - 0.5 * light.strength, 5)
        z += step


def _paint_side(
    canvas: Canvas, street: Street, side: Side, pavement: Colour, stone: Colour, random: np.random.Generator
) -> None:
    def strip(start: float, stop: float, colour: Colour, surface: Surface) -> None:
        _paint(canvas, _strip(canvas, (min(start, stop), max(start, stop)), (0, street.end)), colour, surface)

    if side.kind == "facades" or random.random() < 0.3:
        strip(side.kerb, side.front + side.sign * 40, pavement * 0.97, Surface(Class.SIDEWALK, 0, 4, 3))
    else:
        strip(side.front, side.front + side.sign * 80, near(random, GRASS), Surface(Class.TERRAIN, 0, 9, 9))
    strip(side.kerb, side.verge, pavement, Surface(Class.SIDEWALK, 0, 4, 3))
    if side.front != side.verge:
        strip(side.verge, side.front, near(random, GRASS), Surface(Class.TERRAIN, 0, 9, 9))
    joints = pavement * random.uniform(0.78, 0.92)
    spacing = random.uniform(0.8, 2.2)
    left, right = sorted((side.kerb, side.verge))
    z = np.arange(canvas.camera.nearest * 0.8, 22, spacing)
    _paint_boxes(canvas, [(left, start, right, start + 0.03) for start in z.tolist()], joints, Class.SIDEWALK)
    strip(side.kerb, side.kerb + side.sign * 0.18, stone, Surface(Class.SIDEWALK, 0, 3, 2))


def _paint_repairs(canvas: Canvas, street: Street, asphalt: Colour, random: np.random.Generator) -> None:
    left, right = street.left.kerb, street.right.kerb
    for _ in range(int(random.integers(0, 6))):
        x, z = random.uniform(left, right), random.uniform(canvas.camera.nearest, 30)
        edges = (max(x - random.uniform(0.3, 2), left), min(x + random.uniform(0.3, 2), right))
        patch = asphalt * random.uniform(0.72, 1.22)
        _paint(canvas, _strip(canvas, edges, (z, z + random.uniform(0.6, 9))), patch, Surface(Class.ROAD, 0, 5, 3))
    for _ in range(int(random.integers(0, 3))):
        angle = np.linspace(0, 2 * np.pi, 14)
        x, z = random.uniform(left, right), random.uniform(canvas.camera.nearest, 25)
        cover = canvas.camera.project(x + 0.35 * np.cos(angle), 0.0, z + 0.35 * np.sin(angle))
        _paint(canvas, cover, asphalt * random.uniform(0.5, 0.8), Surface(Class.ROAD, 0, 3, 3))
    for _ in range(int(random.integers(0, 4))):
        across = random.uniform(left, right) + np.cumsum(random.uniform(-0.4, 0.4, 7))
        along = random.uniform(canvas.camera.nearest, 15) + np.arange(7) * random.uniform(0.2, 1)
        width = random.uniform(0.02, 0.05)
        crack = np.concatenate([np.stack([across, along], 1), np.stack([across + width, along], 1)[::-1]])
        crack = crack[(crack[:, 0] > left) & (crack[:, 0] < right)]
        if len(crack) > 3:
            points = canvas.camera.project(crack[:, 0], 0.0, crack[:, 1])
            _paint(canvas, points, asphalt * 0.6, Surface(Class.ROAD, 0, 4, 3))


def _paint_markings(canvas: Canvas, street: Street, random: np.random.Generator) -> None:
    if random.random() < 0.1:
        return
    white = grey(random, 150, 240, 8)
    yellow = np.array([215, 180, 70]) * random.uniform(0.7, 1.1)
    end = street.end

    def mark(edges: tuple[float, float], span: tuple[float, float], colour: Colour = white, steps: int = 2) -> None:
        _paint(canvas, _strip(canvas, edges, span, steps), colour, Surface(Class.ROAD, 0, 5, 5))

    for (x, way), (other, next_way) in zip(street.lanes, street.lanes[1:], strict=False):
        middle, colour = (x + other) / 2, yellow if way != next_way and random.random() < 0.3 else white
        if way != next_way and random.random() < 0.4:
            mark((middle - 0.16, middle - 0.05), (0, end), colour, 8)
            mark((middle + 0.05, middle + 0.16), (0, end), colour, 8)
            continue
        dash, gap = random.uniform(2, 4), random.uniform(3, 7)
        starts = np.arange(random.uniform(1, 6), end, dash + gap).tolist()
        _paint_boxes(canvas, [(middle - 0.07, z, middle + 0.07, z + dash) for z in starts], colour, Class.ROAD)
    if random.random() < 0.4:
        for x in (street.left.kerb + 0.25, street.right.kerb - 0.4):
            mark((x, x + 0.14), (0, end), white, 8)
    if street.crossing is not None and random.random() < 0.7:
        stop = street.crossing - random.uniform(3.6, 5)
        stripes = np.arange(street.left.kerb + 0.3, street.right.kerb - 0.5, 1.0).tolist()
        _paint_boxes(canvas, [(x, stop + 1, x + 0.5, stop + 3.8) for x in stripes], white, Class.ROAD)
        mark((street.lanes[-1][0] - street.lane_width / 2, street.right.kerb), (stop, stop + 0.4))
    if random.random() < 0.2:
        z, (x, _) = random.uniform(8, 20), street.lanes[int(random.integers(len(street.lanes)))]
        mark((x - 0.08, x + 0.08), (z, z + 2.5))
        head = canvas.camera.project([x - 0.35, x + 0.35, x], 0.0, [z + 2.3, z + 2.3, z + 4])
        _paint(canvas, head, white, Surface(Class.ROAD, 0, 5, 5))


def _paint_rails(canvas: Canvas, x: float, asphalt: Colour, end: float, random: np.random.Generator) -> None:
    bed = asphalt * random.uniform(0.8, 1.2)
    _paint(canvas, _strip(canvas, (x - 1.2, x + 1.2), (0, end)), bed, Surface(Class.ROAD, 0, 6, 5))
    steel = grey(random, 60, 190, 6)
    for rail in (x - 0.72, x + 0.72):
        _paint(canvas, _strip(canvas, (rail - 0.06, rail + 0.06), (0, end)), steel, Surface(Class.ROAD, 0, 3, 2))


def _paint_boxes(canvas: Canvas, boxes: list[tuple[float, float, float, float]], colour: Colour, kind: Class) -> None:
    """Paint short pieces (left, near, right, far) of a surface."""
    if boxes:
        given = np.array(boxes)
        z = np.maximum(given[:, (1, 3, 3, 1)], canvas.camera.nearest * 0.7)
        points = canvas.camera.project(given[:, (0, 0, 2, 2)], 0.0, z)
        _paint(canvas, points, colour, Surface(kind, 0, 5, 4))


def _paint(canvas: Canvas, points: Points, colour: Colour, surface: Surface) -> None:
    canvas.fill(points, colour, canvas.add_surface(surface))


def _strip(canvas: Canvas, edges: tuple[float, float], span: tuple[float, float], steps: int = 8) -> Points:
    """Return the outline of a strip along the street, in pixels; it follows the bend of the street."""
    nearest = canvas.camera.nearest * 0.7
    start, stop = max(span[0], nearest), max(span[1], nearest + 0.01)
    z = start * (stop / start) ** (np.arange(steps + 1) / steps)
    left, right = (canvas.camera.project(edge, 0.0, z) for edge in edges)
    return np.concatenate([left, right[::-1]])
