"""A brush paints one thing that stands on the ground, in metres, and knows its class and depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from anomaly_eval.scenes.camera import HEIGHT
from anomaly_eval.scenes.canvas import Canvas, Points, crop_around
from anomaly_eval.scenes.classes import Class
from anomaly_eval.scenes.colours import Colour

GROUND = (Class.ROAD, Class.SIDEWALK, Class.TERRAIN)
_SMALLEST = 0.6
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], -1)


class Brush:
    """Paints in the upright plane at depth z: x to the right of the thing's foot, y up from the ground."""

    def __init__(
        self,
        canvas: Canvas,
        kind: Class,
        x: float,
        z: float,
        grain: tuple[float, float] = (2.0, 1.5),
        facing: int = 1,
        size: float = 1.0,
    ) -> None:
        """Take the class, the foot in metres, the strength of the grain, and a mirror (-1) and a magnification."""
        self.canvas, self.kind, self.x, self.z, self.facing = canvas, kind, x, z, facing
        self.grain = grain
        self.column, self.row = canvas.camera.project(x, 0.0, z).tolist()
        self.scale = canvas.camera.scale(z) * size
        self.size = size
        self._low, self._high = np.array([np.inf, np.inf]), np.array([-np.inf, -np.inf])

    def turn_to(self, kind: Class) -> Brush:
        """Return a brush for another class in the same place."""
        return Brush(self.canvas, kind, self.x, self.z, self.grain, self.facing, self.size)

    def pixels(self, points: Points, colour: Colour) -> None:
        """Fill polygons given in pixels; what would be far smaller than a pixel is left out."""
        flat = points.reshape(-1, 2)
        low, high = flat.min(0), flat.max(0)
        if (high - low).max() < _SMALLEST:
            return
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self.canvas.fill(points, colour, (float(self.kind), self.z, *self.grain))

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (..., corners, 2) given in metres."""
        corners = np.asarray(points, np.float64)
        shown = corners * (self.scale * self.facing, -self.scale) + (self.column, self.row)
        self.pixels(shown, colour)

    def box(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self.polygon([(left, bottom), (left, top), (right, top), (right, bottom)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """Fill an ellipse whose height is `squash` times its width."""
        self.polygon(_CIRCLE * (radius, radius * squash) + (x, y), colour)

    def bar(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour) -> None:
        """Fill a straight bar between two points."""
        along = np.subtract(end, start)
        across = np.array([-along[1], along[0]]) * (0.5 * width / max(float(np.hypot(*along)), 1e-9))
        self.polygon([start + across, end + across, end - across, start - across], colour)

    def path(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """Fill bars from each point to the next."""
        for start, end in zip(points, points[1:], strict=False):
            self.bar(start, end, width, colour)

    def solid(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (..., corners, 3) given by x, y, z of the street, in metres."""
        corners = np.asarray(points, np.float64)
        self.pixels(self.canvas.camera.project(corners[..., 0], corners[..., 1], corners[..., 2]), colour)

    def shadow(self, left: float, right: float, height: float, length: float = 0.3) -> None:
        """Darken the ground below a thing that is `length` metres deep, and where it keeps the sun away."""
        canvas, light = self.canvas, self.canvas.light
        x1, x2 = sorted((self.x + left * self.facing * self.size, self.x + right * self.facing * self.size))
        near, far = self.z * 0.985, self.z + length
        foot = [(x1, near), (x2, near), (x2, far), (x1, far)]
        canvas.darken(self._on_ground(foot), 0.5, GROUND, 3)
        if light.strength > 0.15:
            dx, dz = light.across * height, light.ahead * height
            cast = [(x1, self.z), (x2, self.z), (x2 + dx, self.z + dz), (x1 + dx, self.z + dz)]
            canvas.darken(self._on_ground(cast), 1 - 0.5 * light.strength, GROUND, 3)

    def shade(self, depth: float = 0.3) -> None:
        """Darken what was painted towards its foot and its side away from the sun."""
        if not np.isfinite(self._low).all():
            return
        crop = crop_around(np.stack([self._low, self._high]))
        if crop is None:
            return
        mask = self.canvas.surface[(*crop, 1)] == np.float32(self.z)
        rows = np.arange(crop[0].start, crop[0].stop, dtype=np.float32)
        columns = np.arange(crop[1].start, crop[1].stop, dtype=np.float32)
        down = (rows - self._low[1]) / max(self._high[1] - self._low[1], 1)
        side = 2 * (columns - self._low[0]) / max(self._high[0] - self._low[0], 1) - 1
        light = self.canvas.light
        aside = -np.sign(light.across) * (0.05 + 0.15 * light.strength)
        factor = (1 + depth * 0.4 - depth * down)[:, None] + (aside * side)[None, :]
        self.canvas.picture[crop] *= np.where(mask, factor, 1).astype(np.float32)[..., None]

    def _on_ground(self, corners: Sequence[tuple[float, float]]) -> Points:
        x, z = np.array(corners).T
        camera = self.canvas.camera
        z = np.maximum(z, camera.nearest * 0.5)
        points = camera.project(x, 0.0, z)
        # A shadow thinner than a pixel would not show at all.
        points[points[:, 1] >= points[:, 1].max() - 1e-6, 1] += 0.8
        return np.clip(points, -HEIGHT * 8, HEIGHT * 8)
