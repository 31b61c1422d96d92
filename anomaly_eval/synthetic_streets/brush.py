"""A brush paints one thing that stands on the ground, in metres, and knows its class and depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike

from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH
from anomaly_eval.synthetic_streets.canvas import SUBPIXEL_BITS, UNIT, Canvas, Points, Surface, crop_around, fixed_point
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import Colour

_SMALLEST = 0.6
_LARGEST = 2000.0
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
        self.canvas, self.x, self.z, self.facing = canvas, x, z, facing
        self.grain, self.size = grain, size
        self.index = canvas.add_surface(Surface(kind, z, *grain))
        self.column, self.row = canvas.camera.foot(x, z)
        self.scale = canvas.camera.scale(z) * size
        self._left, self._right, self._top, self._bottom = np.inf, -np.inf, np.inf, -np.inf

    def turn_to(self, kind: Class) -> Brush:
        """Return a brush for another class in the same place."""
        return Brush(self.canvas, kind, self.x, self.z, self.grain, self.facing, self.size)

    def in_view(self, reach: float) -> bool:
        """Whether anything within `reach` metres to the left or right of the foot is in the image."""
        return -reach * self.scale < self.column < WIDTH + reach * self.scale

    def shows(self, left: float, right: float, top: float, bottom: float) -> bool:
        """Whether pixels in this range are in the image and large enough to be seen; remembers the range."""
        if right < 0 or left > WIDTH or bottom < 0 or top > HEIGHT:
            return False
        if right - left < _SMALLEST and bottom - top < _SMALLEST:
            return False
        self._left, self._right = min(self._left, left), max(self._right, right)
        self._top, self._bottom = min(self._top, top), max(self._bottom, bottom)
        return True

    def pixels(self, points: Points, colour: Colour) -> None:
        """Fill polygons given in pixels."""
        corners = fixed_point(points)
        left, top, width, height = cv2.boundingRect(corners.reshape(-1, 2))
        if self.shows(left / UNIT, (left + width) / UNIT, top / UNIT, (top + height) / UNIT):
            self.canvas.fill_fixed(corners, colour, self.index)

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (..., corners, 2) given in metres."""
        shown = np.array(points, np.float64)
        shown *= (self.scale * self.facing, -self.scale)
        shown += (self.column, self.row)
        self.pixels(shown, colour)

    def box(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Fill a rectangle."""
        one, other = self.column + left * self.scale * self.facing, self.column + right * self.scale * self.facing
        low, high = self.row - bottom * self.scale, self.row - top * self.scale
        if not self.shows(min(one, other), max(one, other), min(low, high), max(low, high)):
            return
        first, last = _fixed(one, low), _fixed(other, high)
        paint = (*colour.tolist(), self.index)
        cv2.rectangle(self.canvas.layers, first, last, paint, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """Fill an ellipse whose height is `squash` times its width."""
        column, row = self.column + x * self.scale * self.facing, self.row - y * self.scale
        wide, tall = radius * self.scale, radius * self.scale * squash
        if not self.shows(column - wide, column + wide, row - tall, row + tall):
            return
        shape = _CIRCLE * (wide, tall)
        shape += (column, row)
        self.canvas.fill_fixed(fixed_point(shape), colour, self.index)

    def bar(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour) -> None:
        """Fill a straight bar between two points."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        half = 0.5 * width / max((dx * dx + dy * dy) ** 0.5, 1e-9)
        ax, ay = -dy * half, dx * half
        corners = [(start[0] + ax, start[1] + ay), (end[0] + ax, end[1] + ay)]
        self.polygon([*corners, (end[0] - ax, end[1] - ay), (start[0] - ax, start[1] - ay)], colour)

    def path(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """Fill bars from each point to the next."""
        for start, end in pairwise(points):
            self.bar(start, end, width, colour)

    def solid(self, points: ArrayLike, colour: Colour) -> None:
        """Fill polygons (..., corners, 3) given by x, y, z of the street, in metres."""
        corners = np.asarray(points, np.float64)
        self.pixels(self.canvas.camera.project(corners[..., 0], corners[..., 1], corners[..., 2]), colour)

    def shadow(self, left: float, right: float, height: float, length: float = 0.3) -> None:
        """Darken the ground below a thing that is `length` metres deep, and where it keeps the sun away."""
        canvas, light = self.canvas, self.canvas.light
        if self.z > 45 or ((right - left) * self.scale < 3 and height * self.scale < 30):
            return
        x1, x2 = sorted((self.x + left * self.facing * self.size, self.x + right * self.facing * self.size))
        near, far = self.z * 0.985, self.z + length
        canvas.darken(self._on_ground([(x1, near), (x2, near), (x2, far), (x1, far)]), 0.5)
        if light.strength > 0.15:
            dx, dz = light.across * height, light.ahead * height
            cast = [(x1, self.z), (x2, self.z), (x2 + dx, self.z + dz), (x1 + dx, self.z + dz)]
            canvas.darken(self._on_ground(cast), 1 - 0.5 * light.strength)

    def shade(self, depth: float = 0.3) -> None:
        """Darken what was painted towards its foot and its side away from the sun."""
        if self._right < self._left:
            return
        crop = crop_around(np.array([(self._left, self._top), (self._right, self._bottom)]))
        if crop is None:
            return
        rows = np.arange(crop[0].start, crop[0].stop, dtype=np.float32)
        columns = np.arange(crop[1].start, crop[1].stop, dtype=np.float32)
        down = (rows - self._top) / max(self._bottom - self._top, 1)
        side = 2 * (columns - self._left) / max(self._right - self._left, 1) - 1
        light = self.canvas.light
        aside = (-1 if light.across > 0 else 1) * (0.05 + 0.15 * light.strength)
        factor = (1 + depth * 0.4 - depth * down)[:, None] + (aside * side)[None, :]
        factor[self.canvas.indices[crop] != self.index] = 1
        self.canvas.picture[crop] *= factor[..., None]

    def _on_ground(self, corners: Sequence[tuple[float, float]]) -> Points:
        x, z = np.array(corners).T
        camera = self.canvas.camera
        points = camera.project(x, 0.0, np.maximum(z, camera.nearest * 0.5))
        # A shadow thinner than a pixel would not show at all.
        points[points[:, 1] >= points[:, 1].max() - 1e-6, 1] += 0.8
        return points


def _fixed(column: float, row: float) -> tuple[int, int]:
    return (
        round((min(max(column, -_LARGEST), _LARGEST) - 0.5) * UNIT),
        round((min(max(row, -_LARGEST), _LARGEST) - 0.5) * UNIT),
    )
