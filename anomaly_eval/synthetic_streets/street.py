"""The plan of a street: lanes, kerbs, sidewalks, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["facades", "houses", "park", "open"]


@dataclass(frozen=True)
class Side:
    """One side of the street; distances in metres to the right of the camera, negative on the left."""

    sign: int
    """-1 on the left, 1 on the right."""
    kerb: float
    verge: float
    """Where a strip of grass beyond the sidewalk begins."""
    front: float
    """Where buildings, walls and fences stand."""
    parking: bool
    kind: Kind


@dataclass(frozen=True)
class Street:
    """A street along z, seen from the lane around x = 0."""

    left: Side
    right: Side
    lanes: tuple[tuple[float, int], ...]
    """Middle of each lane, and 1 where cars go the way of the camera, else -1."""
    lane_width: float
    end: float
    """Depth at which something closes the view."""
    crossing: float | None
    """Depth of a street that crosses."""
    rails: float | None
    """Middle of a tramway in the road."""

    @property
    def sides(self) -> tuple[Side, Side]:
        """Left and right."""
        return self.left, self.right


CROSSING_WIDTH = 8.0


def plan_street(random: np.random.Generator) -> Street:
    """Return a random plan."""
    width = random.uniform(2.9, 3.7)
    rightmost = int(random.random() < 0.35)
    leftmost = int(random.integers(1, 3))
    lanes = tuple((index * width, 1 if index >= 0 else -1) for index in range(-leftmost, rightmost + 1))
    offset = random.uniform(-0.5, 0.5)
    lanes = tuple((middle + offset, way) for middle, way in lanes)
    left, right = (_plan_side(random, sign, lanes[0 if sign < 0 else -1][0] + sign * width / 2) for sign in (-1, 1))
    end = random.uniform(55, 140)
    crossing = random.uniform(16, 45) if random.random() < 0.45 else None
    rails = lanes[0][0] if random.random() < 0.3 else None
    return Street(left, right, lanes, width, end, crossing, rails)


def _plan_side(random: np.random.Generator, sign: int, edge: float) -> Side:
    parking = bool(random.random() < 0.5)
    kerb = edge + sign * (2.2 if parking else random.uniform(0.1, 0.6))
    sidewalk = random.uniform(1.6, 4.5)
    verge = random.uniform(0.8, 4) if random.random() < 0.5 else 0.0
    kinds: tuple[Kind, ...] = ("facades", "houses", "park", "open")
    kind = kinds[int(random.choice(4, p=(0.42, 0.22, 0.22, 0.14)))]
    start = kerb + sign * sidewalk
    return Side(sign, kerb, start, start + sign * verge, parking, kind)
