"""The canvas that a scene is painted on from back to front: colours, and what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH, Camera
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.colours import Colour

Points = NDArray[np.float64]
"""Corners (column, row) or (x, y), shape (..., corners, 2)."""

SUBPIXEL_BITS = 4
UNIT = 2**SUBPIXEL_BITS
"""Drawing routines take coordinates as whole numbers of 1 / UNIT pixels."""

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


@dataclass(frozen=True)
class Surface:
    """What the pixels of one thing have in common."""

    kind: Class
    depth: float
    """In metres; 0 for ground, whose depth is that of its row."""
    fine: float
    """Strength of the grain of single pixels."""
    medium: float
    """Strength of the grain of a few pixels."""


class Canvas:
    """A picture in the making.

    `layers` is float32 (HEIGHT, WIDTH, 4): RGB, and the index of a pixel's surface in `surfaces`.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        """Start with nothing but sky, far away."""
        self.camera, self.light = camera, light
        self.layers = np.zeros((HEIGHT, WIDTH, 4), np.float32)
        self.surfaces = [Surface(Class.SKY, 1000, 0, 0)]
        self._ground = 0

    @property
    def picture(self) -> NDArray[np.float32]:
        """The colours, a view of shape (HEIGHT, WIDTH, 3)."""
        return self.layers[..., :3]

    @property
    def indices(self) -> NDArray[np.float32]:
        """The index of each pixel's surface, a view of shape (HEIGHT, WIDTH)."""
        return self.layers[..., 3]

    def copy(self) -> Canvas:
        """Return a canvas with the same content that can be painted on by itself."""
        other = Canvas(self.camera, self.light)
        other.layers[:] = self.layers
        other.surfaces, other._ground = list(self.surfaces), self._ground
        return other

    def add_surface(self, surface: Surface) -> int:
        """Return the index of a new surface. Those of the ground come first, as shadows fall on them alone."""
        self.surfaces.append(surface)
        if surface.depth == 0:
            self._ground = len(self.surfaces) - 1
        return len(self.surfaces) - 1

    def classes(self) -> NDArray[np.uint8]:
        """Return the class of each pixel, shape (HEIGHT, WIDTH)."""
        table = np.array([surface.kind for surface in self.surfaces], np.uint8)
        return table[self.indices.astype(np.int32)]

    def fill(self, polygons: Points, colour: Colour, index: int) -> None:
        """Fill one polygon (corners, 2) or several (n, corners, 2), given in pixels."""
        self.fill_fixed(fixed_point(polygons), colour, index)

    def fill_fixed(self, corners: NDArray[np.int32], colour: Colour, index: int) -> None:
        """Fill polygons given as `fixed_point` returns them."""
        shapes = [corners] if corners.ndim == 2 else list(corners)
        cv2.fillPoly(self.layers, shapes, (*colour.tolist(), index), cv2.LINE_8, SUBPIXEL_BITS)

    def darken(self, polygon: Points, factor: float, blur: int = 3) -> None:
        """Multiply the colours of the ground inside a polygon (corners, 2), with a soft edge."""
        crop = crop_around(polygon, blur)
        if crop is None:
            return
        mask = np.zeros((crop[0].stop - crop[0].start, crop[1].stop - crop[1].start), np.float32)
        inside = polygon - np.array([crop[1].start, crop[0].start])
        cv2.fillPoly(mask, [fixed_point(inside)], 1 - factor, cv2.LINE_8, SUBPIXEL_BITS)
        mask = cv2.blur(mask, (blur, blur))
        shown = self.indices[crop]
        mask *= (shown > 0) & (shown <= self._ground)
        np.subtract(1, mask, out=mask)
        self.picture[crop] *= mask[..., None]


def crop_around(points: Points, margin: int = 0) -> tuple[slice, slice] | None:
    """Return the rows and columns of the image that hold the points; None if they are outside."""
    columns, rows = points[..., 0], points[..., 1]
    left, right = max(float(columns.min()) - margin, 0.0), min(float(columns.max()) + margin + 2, WIDTH)
    top, bottom = max(float(rows.min()) - margin, 0.0), min(float(rows.max()) + margin + 2, HEIGHT)
    if right <= left + 1 or bottom <= top + 1:
        return None
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def fixed_point(polygons: Points) -> NDArray[np.int32]:
    """Return positions in pixels as whole numbers of 1 / UNIT pixels, kept from running far outside."""
    # Half a pixel less, because the drawing routines count from the centres of pixels.
    inside = (polygons - 0.5) * UNIT
    np.minimum(inside, _FAR_OUTSIDE * UNIT, out=inside)
    np.maximum(inside, -_FAR_OUTSIDE * UNIT, out=inside)
    return np.asarray(np.rint(inside, out=inside), np.int32)
