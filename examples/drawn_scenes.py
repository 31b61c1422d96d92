"""Draw small road scenes, with and without anomalies, and write them as a data set.

They show the way from images to results and check that everything works; numbers measured on them say nothing about
real images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = NDArray[np.float32]

CLASSES = ("sky", "building", "road", "vegetation", "car")
PALETTE = ((70, 130, 180), (70, 70, 70), (128, 64, 128), (107, 142, 35), (0, 0, 142))
SKY, BUILDING, ROAD, VEGETATION, CAR = range(5)
ANOMALY = 100
VOID = 255
SIZE = (256, 128)
SMALLEST_SHARE, LARGEST_SHARE = 0.005, 0.03
# Scenes of the three sets never share a seed, as long as a set has fewer images than this.
SET_STRIDE = 100_000


class Scene:
    """A picture in RGB and the label of each of its pixels, painted from back to front."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        """Start with an empty canvas of (width, height) pixels."""
        self.random = np.random.default_rng(seed)
        self.width, self.height = size
        self.picture = np.zeros((self.height, self.width, 3), np.float32)
        self.labels = np.full((self.height, self.width), SKY, np.uint8)
        self.horizon = int(self.height * self.random.uniform(0.36, 0.5))

    def noise(self, grain: float) -> NDArray[np.float32]:
        """Return smooth noise of about unit variance whose spots are `grain` pixels wide."""
        shape = (math.ceil(self.height / grain) + 1, math.ceil(self.width / grain) + 1)
        coarse = self.random.standard_normal(shape).astype(np.float32)
        fine = cv2.resize(coarse, (self.width, self.height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(fine, np.float32)

    def polygon(self, points: Sequence[tuple[float, float]] | NDArray[np.float64]) -> Mask:
        """Return the pixels inside the polygon."""
        canvas = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(canvas, [np.round(np.asarray(points)).astype(np.int32)], 1)
        return canvas.astype(bool)

    def ellipse(self, x: float, y: float, width: float, height: float) -> Mask:
        """Return the pixels inside the ellipse with these half axes."""
        rows, columns = np.mgrid[: self.height, : self.width]
        inside = ((columns - x) / max(width, 0.5)) ** 2 + ((rows - y) / max(height, 0.5)) ** 2 <= 1
        return np.asarray(inside, np.bool_)

    def box(self, left: float, top: float, right: float, bottom: float) -> Mask:
        """Return the pixels inside the rectangle."""
        return self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)])

    def colour(self, low: float, high: float, tint: float) -> Colour:
        """Return a random colour: a grey between the bounds, plus up to `tint` for each channel."""
        return (self.random.uniform(low, high) + self.random.uniform(-tint, tint, 3)).astype(np.float32)

    def paint(self, mask: Mask, colour: Colour, texture: NDArray[np.float32], label: int | None = None) -> None:
        """Paint a region; with no label, the pixels keep the one they have."""
        self.picture[mask] = colour + texture[mask][:, None]
        if label is not None:
            self.labels[mask] = label


def draw_sky(scene: Scene) -> None:
    """Paint a gradient with clouds over everything."""
    zenith, low = scene.colour(120, 190, 10), scene.colour(190, 240, 10)
    zenith[2] += scene.random.uniform(0, 60)
    down = np.clip(np.arange(scene.height, dtype=np.float32) / scene.horizon, 0, 1)[:, None, None]
    clouds = np.clip(scene.noise(30), 0, None) * 14
    scene.picture[:] = zenith * (1 - down) + low * down + clouds[..., None]


def draw_buildings(scene: Scene) -> None:
    """Paint a row of houses with windows along the horizon."""
    left = scene.random.uniform(-20, 20)
    while left < scene.width:
        right = left + scene.random.uniform(20, 60)
        top = scene.horizon * scene.random.uniform(0.12, 0.75)
        # An overcast sky and a pale wall have the same colour: the windows and the outline tell them apart.
        wall, texture = scene.colour(70, 190, 28), scene.noise(3) * 5
        scene.paint(scene.box(left, top, right, scene.horizon + 3), wall, texture, BUILDING)
        step, pane = scene.random.uniform(5, 9), scene.random.uniform(2, 3.5)
        glass = scene.colour(30, 220, 20)
        for x in np.arange(left + 3, right - pane - 1, step).tolist():
            for y in np.arange(top + 4, scene.horizon - pane, step * 1.2).tolist():
                scene.paint(scene.box(x, y, x + pane, y + pane * 1.3), glass, texture)
        left = right + (scene.random.uniform(3, 30) if scene.random.random() < 0.4 else 0)


def draw_ground(scene: Scene) -> None:
    """Paint grass below the horizon and a road with markings, repairs and shadows on it."""
    rows = np.arange(scene.height)[:, None].repeat(scene.width, 1)
    grass = scene.colour(70, 120, 8) + np.array([-6, 22, -28], np.float32)
    scene.paint(rows >= scene.horizon, grass, scene.noise(1.5) * 11 + scene.noise(9) * 8, VEGETATION)

    vanishing = scene.width * scene.random.uniform(0.35, 0.65)
    left = scene.width * scene.random.uniform(-0.35, 0.05)
    right = scene.width * scene.random.uniform(0.95, 1.35)

    def across(share: float, row: float) -> float:
        """Return the column at this share of the road's width in this row."""
        near = (row - scene.horizon) / (scene.height - scene.horizon)
        middle = left + (right - left) * share
        return vanishing + (middle - vanishing) * near + (share - 0.5) * 8

    def strip(start: float, end: float, top: float, bottom: float) -> Mask:
        """Return a patch that lies flat on the road."""
        corners = [(across(start, top), top), (across(end, top), top)]
        return scene.polygon([*corners, (across(end, bottom), bottom), (across(start, bottom), bottom)])

    asphalt = scene.colour(70, 135, 6)
    texture = scene.noise(1) * 4 + scene.noise(20) * 5
    scene.paint(strip(0, 1, scene.horizon, scene.height), asphalt, texture, ROAD)
    depth = scene.height - scene.horizon
    for _ in range(scene.random.integers(0, 4)):
        top = scene.horizon + depth * scene.random.uniform(0.2, 0.9)
        start = scene.random.uniform(0.05, 0.8)
        patch = strip(start, start + scene.random.uniform(0.05, 0.3), top, top + depth * 0.15)
        scene.paint(patch, asphalt + scene.random.uniform(-25, 20), texture)
    white = scene.colour(190, 225, 8)
    for row in scene.horizon + depth * np.array([0.04, 0.16, 0.34, 0.6]):
        scene.paint(strip(0.49, 0.51, row, scene.horizon + (row - scene.horizon) * 1.4 + 2), white, texture)
    for edge in (0.03, 0.96):
        scene.paint(strip(edge, edge + 0.012, scene.horizon, scene.height), white, texture)
    for _ in range(scene.random.integers(0, 3)):
        x, y = scene.random.uniform(0, scene.width), scene.horizon + depth * scene.random.uniform(0.2, 1)
        shade = scene.ellipse(x, y, scene.random.uniform(15, 50), scene.random.uniform(3, 9))
        scene.picture[shade & (scene.labels != BUILDING) & (rows > scene.horizon)] *= 0.65


def draw_trees(scene: Scene) -> None:
    """Paint crowns of leaves, with trunks, beside the road."""
    for _ in range(scene.random.integers(2, 6)):
        side = scene.random.choice([scene.random.uniform(0, 0.28), scene.random.uniform(0.72, 1)])
        x, size = side * scene.width, scene.random.uniform(7, 19)
        foot = scene.horizon + scene.random.uniform(1, 14)
        y = foot - size * scene.random.uniform(1.1, 1.9)
        leaves = scene.colour(50, 105, 10) + np.array([-4, 20, -18], np.float32)
        bark = scene.colour(50, 80, 5) + np.array([14, 4, -6], np.float32)
        scene.paint(scene.box(x - 1.5, y, x + 1.5, foot), bark, scene.noise(2) * 5, VEGETATION)
        texture = scene.noise(1.6) * 16 + scene.noise(5) * 9
        for angle in scene.random.uniform(0, 2 * math.pi, 7):
            spot = (x + math.cos(angle) * size * 0.5, y + math.sin(angle) * size * 0.4)
            radius = size * scene.random.uniform(0.4, 0.65)
            scene.paint(scene.ellipse(*spot, radius, radius * 0.9), leaves, texture, VEGETATION)


def draw_cars(scene: Scene) -> None:
    """Paint cars on the road, seen from behind, the far ones first."""
    depth = scene.height - scene.horizon
    for foot in np.sort(scene.random.uniform(0.15, 0.8, scene.random.integers(1, 5))):
        y, half = scene.horizon + foot * depth, 4 + foot * scene.random.uniform(20, 30)
        columns = np.flatnonzero(scene.labels[min(int(y), scene.height - 1)] == ROAD)
        if not len(columns):
            continue
        x, height = float(scene.random.choice(columns)), half * scene.random.uniform(1.1, 1.5)
        flat, body = scene.noise(8) * 4, scene.colour(40, 215, 70)
        waist, roof = y - height * 0.55, y - height
        scene.picture[scene.ellipse(x, y, half * 1.1, half * 0.16) & (scene.labels == ROAD)] *= 0.45
        for wheel in (x - half * 0.75, x + half * 0.75):
            tyre = scene.box(wheel - half * 0.14, y - height * 0.25, wheel + half * 0.14, y)
            scene.paint(tyre, scene.colour(20, 40, 3), flat, CAR)
        scene.paint(scene.box(x - half, waist, x + half, y - height * 0.12), body, flat, CAR)
        for bottom, top, ceiling, colour in (
            (half * 0.92, half * 0.68, roof, body * 0.9),
            (half * 0.75, half * 0.58, roof + 2, scene.colour(30, 90, 10)),
        ):
            cabin = [(x - bottom, waist), (x - top, ceiling), (x + top, ceiling), (x + bottom, waist)]
            scene.paint(scene.polygon(cabin), colour, flat, CAR)
        for light in (x - half * 0.8, x + half * 0.8):
            lamp = scene.ellipse(light, y - height * 0.42, half * 0.13, half * 0.1)
            scene.paint(lamp, np.array([200, 30, 25], np.float32), flat, CAR)


def anomaly_outline(scene: Scene, x: float, y: float, radius: float) -> Mask:
    """Return the pixels of a random shape: a blob, a star, a ring, a beast on legs, or a stack of boxes."""
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False) + scene.random.uniform(0, math.pi)
    kind = scene.random.integers(5)
    if kind <= 1:
        wobble = scene.random.uniform(0.7, 1.2, 24) if kind == 0 else np.tile([1.35, 0.95, 0.5, 0.95], 6)
        spread = radius * wobble[:, None]
        return scene.polygon(np.array([x, y]) + spread * np.stack([np.cos(angles), np.sin(angles)], 1))
    if kind == 2:
        hole = scene.ellipse(x, y, radius * 0.6, radius * 0.5)
        return scene.ellipse(x, y, radius * 1.3, radius * 1.1) & ~hole
    if kind == 3:
        beast = scene.ellipse(x, y, radius * 1.2, radius * 0.6)
        beast |= scene.ellipse(x + radius * 1.1, y - radius * 0.6, radius * 0.5, radius * 0.4)
        for leg in (-0.9, -0.4, 0.4, 0.9):
            beast |= scene.box(x + radius * (leg - 0.1), y, x + radius * (leg + 0.1), y + radius * 1.2)
        return beast
    lower = scene.box(x - radius, y, x + radius, y + radius * 0.9)
    shift = radius * scene.random.uniform(-0.3, 0.3)
    return lower | scene.box(x - radius * 0.7 + shift, y - radius, x + radius * 0.7 + shift, y)


def anomaly_texture(scene: Scene, x: float, y: float, first: Colour, second: Colour) -> NDArray[np.float32]:
    """Return a picture of stripes, squares, rings or spots in two colours."""
    rows, columns = np.mgrid[: scene.height, : scene.width].astype(np.float32)
    period = scene.random.uniform(4, 8)
    angle = scene.random.uniform(0, math.pi)
    along = math.cos(angle) * columns + math.sin(angle) * rows
    athwart = math.cos(angle) * rows - math.sin(angle) * columns
    wave = 2 * math.pi / period
    pattern = [
        np.sin(along * wave),
        np.sin(along * wave) * np.sin(athwart * wave),
        np.sin(np.hypot(columns - x, rows - y) * wave),
        scene.noise(period / 2),
    ][scene.random.integers(4)]
    return np.where((pattern > 0)[..., None], first, second) + (scene.noise(1) * 4)[..., None]


def two_colours(scene: Scene) -> tuple[Colour, Colour]:
    """Return two clearly different colours that the scene already has."""
    pixels = scene.picture.reshape(-1, 3)
    candidates = pixels[scene.random.integers(0, len(pixels), 32)]
    first = candidates[0]
    different = np.abs(candidates - first).max(1) > 40
    # In a scene of nearly one colour, the most different one has to do.
    second = candidates[different.argmax() if different.any() else np.abs(candidates - first).max(1).argmax()]
    return first, second


def draw_anomalies(scene: Scene) -> None:
    """Put one to three unknown things on the road until they cover the share of pixels we want.

    Their colours are taken from the scene itself, so that no colour gives them away.
    """
    before_picture, before_labels = scene.picture.copy(), scene.labels.copy()
    while True:
        scene.picture[:], scene.labels[:] = before_picture, before_labels
        count = int(scene.random.integers(1, 4))
        share = scene.random.uniform(0.007, 0.026)
        radius = math.sqrt(share * scene.labels.size / count / math.pi)
        for _ in range(count):
            rows, columns = np.nonzero(scene.labels[: scene.height - 12] == ROAD)
            spot = scene.random.integers(len(rows))
            x, y = float(columns[spot]), float(rows[spot]) - radius * 0.5
            first, second = two_colours(scene)
            outline = anomaly_outline(scene, x, y, radius)
            scene.picture[scene.ellipse(x, y + radius, radius, 2) & (scene.labels == ROAD)] *= 0.6
            scene.picture[outline] = anomaly_texture(scene, x, y, first, second)[outline]
            scene.labels[outline] = ANOMALY
        if SMALLEST_SHARE <= np.mean(scene.labels == ANOMALY) <= LARGEST_SHARE:
            return


def draw_bonnet(scene: Scene) -> None:
    """Paint the bonnet of the car that carries the camera; like in real data sets it has no label."""
    rise = scene.random.uniform(0, 9)
    bonnet = scene.ellipse(scene.width / 2, scene.height + 1, scene.width * 0.45, rise)
    scene.paint(bonnet, scene.colour(20, 90, 10), scene.noise(12) * 5, VOID)


def develop(scene: Scene) -> Image:
    """Return the picture as a camera would: blurred, under a light of some colour, with sensor noise."""
    light = scene.random.uniform(0.75, 1.15) * scene.random.uniform(0.93, 1.07, 3)
    picture = cv2.GaussianBlur(scene.picture, (0, 0), scene.random.uniform(0.4, 0.8)) * light
    picture += scene.random.normal(0, scene.random.uniform(2, 6), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def draw_scene(seed: int, size: tuple[int, int] = SIZE, anomalies: bool = False) -> tuple[Image, Image]:
    """Draw one scene of (width, height) pixels, the same for the same seed.

    Returns the RGB image and its labels: class indices, or with anomalies 1 for an anomaly and 0 elsewhere.
    255 is void: the camera car's bonnet, and a border of two pixels around each anomaly.
    """
    scene = Scene(seed, size)
    for draw in (draw_sky, draw_buildings, draw_ground, draw_trees, draw_cars):
        draw(scene)
    if anomalies:
        draw_anomalies(scene)
    draw_bonnet(scene)
    image = develop(scene)
    if not anomalies:
        return image, scene.labels
    found = (scene.labels == ANOMALY).astype(np.uint8)
    border = cv2.dilate(found, np.ones((5, 5), np.uint8)).astype(bool) & (found == 0)
    found[border | (scene.labels == VOID)] = VOID
    return image, found


def write_dataset(folder: Path, seeds: Sequence[int], size: tuple[int, int], anomalies: bool) -> None:
    """Write one scene for each seed to `images` and `labels_masks`; scenes of an earlier run are removed."""
    for part in ("images", "labels_masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for old in (folder / part).glob("scene_*.png"):
            old.unlink()
    for index, seed in enumerate(seeds):
        image, labels = draw_scene(seed, size, anomalies)
        # OpenCV writes BGR.
        bgr = np.ascontiguousarray(image[..., ::-1])
        for part, pixels in (("images", bgr), ("labels_masks", labels)):
            path = folder / part / f"scene_{index:04d}.png"
            if not cv2.imwrite(str(path), pixels):
                raise OSError(f"cannot write {path}")
