"""The canvas that a scene is painted on from back to front: colours, and what each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.scenes.camera import HEIGHT, WIDTH, Camera
from anomaly_eval.scenes.classes import Class
from anomaly_eval.scenes.colours import Colour

Points = NDArray[np.float64]
"""Corners (column, row) or (x, y), shape (..., corners, 2)."""

_SUBPIXEL_BITS = 4
_FAR_OUTSIDE = 4000.0


@dataclass(frozen=True)
class Light:
    """Where the sun stands and how much of the light is its own."""

    across: float
    """Shift of a shadow to the right, in heights of what throws it."""
    ahead: float
    """Shift of a shadow into the depth, in heights of what throws it."""
    strength: float
    """From 0, overcast, to 1."""


class Canvas:
    """A picture in the making.

    `picture` is RGB, float32 (HEIGHT, WIDTH, 3). `surface` is float32 (HEIGHT, WIDTH, 4): class, depth in metres, and
    the strength of fine and of medium grain.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        """Start with nothing but sky, far away."""
        self.camera, self.light = camera, light
        self.picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        self.surface = np.zeros((HEIGHT, WIDTH, 4), np.float32)
        self.surface[:] = (Class.SKY, 1000, 0, 0)

    def copy(self) -> Canvas:
        """Return a canvas with the same content that can be painted on by itself."""
        other = Canvas(self.camera, self.light)
        other.picture[:], other.surface[:] = self.picture, self.surface
        return other

    def fill(self, polygons: Points, colour: Colour, surface: tuple[float, float, float, float]) -> None:
        """Fill one polygon (corners, 2) or several (n, corners, 2), given in pixels."""
        corners = _fixed_point(polygons)
        shapes = [corners] if corners.ndim == 2 else list(corners)
        cv2.fillPoly(self.picture, shapes, colour.tolist(), cv2.LINE_8, _SUBPIXEL_BITS)
        cv2.fillPoly(self.surface, shapes, surface, cv2.LINE_8, _SUBPIXEL_BITS)

    def darken(self, polygon: Points, factor: float, classes: Sequence[Class], blur: int = 3) -> None:
        """Multiply the colours of the given classes inside a polygon (corners, 2), with a soft edge."""
        crop = crop_around(polygon, blur)
        if crop is None:
            return
        mask = np.zeros((crop[0].stop - crop[0].start, crop[1].stop - crop[1].start), np.float32)
        inside = polygon - np.array([crop[1].start, crop[0].start])
        cv2.fillPoly(mask, [_fixed_point(inside)], 1 - factor, cv2.LINE_8, _SUBPIXEL_BITS)
        mask = cv2.blur(mask, (blur, blur))
        shown = self.surface[(*crop, 0)]
        allowed = shown == classes[0]
        for other in classes[1:]:
            allowed |= shown == other
        self.picture[crop] *= (1 - mask * allowed)[..., None]


def crop_around(points: Points, margin: int = 0) -> tuple[slice, slice] | None:
    """Return the rows and columns of the image that hold the points; None if they are outside."""
    flat = points.reshape(-1, 2)
    left, top = np.floor(flat.min(0)).clip(-_FAR_OUTSIDE, _FAR_OUTSIDE).astype(int) - margin
    right, bottom = np.ceil(flat.max(0)).clip(-_FAR_OUTSIDE, _FAR_OUTSIDE).astype(int) + margin + 1
    rows, columns = slice(max(top, 0), min(bottom, HEIGHT)), slice(max(left, 0), min(right, WIDTH))
    return None if rows.stop <= rows.start or columns.stop <= columns.start else (rows, columns)


def _fixed_point(polygons: Points) -> NDArray[np.int32]:
    # Half a pixel less, because the drawing routines count from the centres of pixels.
    inside = np.clip(polygons - 0.5, -_FAR_OUTSIDE, _FAR_OUTSIDE)
    return np.round(inside * 2**_SUBPIXEL_BITS).astype(np.int32)
