"""A thing that will be painted, with its depth and a seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from anomaly_eval.synthetic_streets.canvas import Canvas

Paint = Callable[[Canvas, np.random.Generator], None]


@dataclass(frozen=True)
class Thing:
    """Something to paint, which comes out the same whatever was painted before."""

    depth: float
    """Where it ends in the distance; what is nearer is painted later."""
    seed: int
    paint: Paint


def plan_thing(depth: float, paint: Paint, random: np.random.Generator) -> Thing:
    """Return a thing with a seed from `random`."""
    return Thing(depth, int(random.integers(2**63)), paint)


def paint_things(canvas: Canvas, things: Iterable[Thing]) -> None:
    """Paint things, the far ones first."""
    for thing in sorted(things, key=lambda thing: -thing.depth):
        thing.paint(canvas, np.random.default_rng(thing.seed))
