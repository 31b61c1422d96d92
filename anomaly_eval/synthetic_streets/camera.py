"""The pinhole camera that all things of a scene are seen through: metres to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

HEIGHT, WIDTH = 256, 512
"""Size of every scene in pixels."""


@dataclass(frozen=True)
class Camera:
    """A camera that looks along the street: x to the right, y up from the road, z ahead, in metres."""

    focal: float
    """Focal length in pixels."""
    height: float
    """Height above the road in metres."""
    horizon: float
    """Row of the horizon."""
    vanishing: float
    """Column of the vanishing point of a straight street."""
    curve: float
    """The street bends by curve * z**2 metres to the right."""

    @property
    def nearest(self) -> float:
        """Depth of the road at the lower edge of the image."""
        return self.focal * self.height / (HEIGHT - self.horizon)

    def scale(self, z: float) -> float:
        """Return the pixels of a metre at depth z."""
        return self.focal / z

    def foot(self, x: float, z: float) -> tuple[float, float]:
        """Return (column, row) of a point on the ground."""
        column = self.vanishing + self.focal * (x / z + self.curve * z)
        return column, self.horizon + self.focal * self.height / z

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Return (column, row) of points in metres; the arguments broadcast, the answer has one axis of 2 more."""
        depth = np.asarray(z, np.float64)
        columns = self.focal * (np.asarray(x) / depth) + self.vanishing
        if self.curve:
            columns = columns + (self.focal * self.curve) * depth
        rows = self.horizon + self.focal * (self.height - np.asarray(y)) / depth
        points = np.empty((*np.broadcast_shapes(columns.shape, rows.shape), 2))
        points[..., 0], points[..., 1] = columns, rows
        return points

    def ground_depth(self) -> NDArray[np.float32]:
        """Return the depth of the road in each row, shape (HEIGHT,); 1000 at and above the horizon."""
        below = np.maximum(np.arange(HEIGHT) + 0.5 - self.horizon, 1e-3)
        return np.asarray(np.minimum(self.focal * self.height / below, 1000), np.float32)


def draw_camera(random: np.random.Generator) -> Camera:
    """Return a camera as cars carry it."""
    bend = random.uniform(-6e-4, 6e-4) if random.random() < 0.5 else 0.0
    return Camera(
        focal=random.uniform(370, 560),
        height=random.uniform(1.3, 2.2),
        horizon=HEIGHT * random.uniform(0.36, 0.5),
        vanishing=WIDTH * random.uniform(0.36, 0.64),
        curve=bend,
    )
