"""One drawn scene: a pure function of the seed, the split and the index."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.synthetic_streets.anomalies import LARGEST_SHARE, SMALLEST_SHARE, plan_anomalies
from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH, Camera, draw_camera
from anomaly_eval.synthetic_streets.canvas import Canvas, Light
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.frontage import paint_end, plan_frontage
from anomaly_eval.synthetic_streets.ground import paint_ground, paint_shade, paint_sky
from anomaly_eval.synthetic_streets.lens import photograph
from anomaly_eval.synthetic_streets.street import Street, plan_street
from anomaly_eval.synthetic_streets.thing import Thing, paint_things
from anomaly_eval.synthetic_streets.things import plan_things

Split = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)
VOID_BORDER = 3
"""Width of the void border around anomalies in pixels."""

_ANOMALY_STREAM = 1


@dataclass(frozen=True)
class Scene:
    """A picture and its two label maps, all of HEIGHT x WIDTH pixels."""

    image: NDArray[np.uint8]
    """RGB, shape (HEIGHT, WIDTH, 3)."""
    classes: NDArray[np.uint8]
    """Train ids of Cityscapes, 0 to 18; VOID where there is an anomaly or its border."""
    label: NDArray[np.uint8]
    """INLIER, ANOMALY, or VOID on the border of an anomaly."""


def draw_scene(seed: int, split: Split, index: int, with_anomalies: bool) -> Scene:
    """Draw one scene, which depends on the arguments alone: not on other scenes, their order, or the process.

    With anomalies, the rest of the scene stays as it is without. Raises ValueError for an unknown split, and for a
    negative seed or index.
    """
    if split not in SPLITS:
        raise ValueError(f"the split is one of {', '.join(SPLITS)}, not {split!r}")
    source = (seed, SPLITS.index(split), index)
    random = np.random.default_rng(source)
    camera, street = draw_camera(random), plan_street(random)
    light = Light(random.uniform(-2.2, 2.2), random.uniform(-0.8, 1.5), max(random.uniform(-0.5, 1), 0.0))
    canvas = Canvas(camera, light)
    haze = paint_sky(canvas, random)
    paint_ground(canvas, street, random)
    paint_end(canvas, street, random)
    paint_shade(canvas, street, random)
    things = plan_things(street, camera.nearest, random)
    for side in street.sides:
        things += plan_frontage(street, side, random)
    if with_anomalies:
        canvas = _with_anomalies(canvas, things, street, camera, np.random.default_rng((*source, _ANOMALY_STREAM)))
    else:
        paint_things(canvas, things)
    return _develop(canvas, photograph(canvas, haze, random))


def _with_anomalies(
    background: Canvas, things: list[Thing], street: Street, camera: Camera, random: np.random.Generator
) -> Canvas:
    """Return the painted scene with anomalies that cover a share of the pixels within the bounds."""
    for attempt in count():
        anomalies = plan_anomalies(street, camera, random)
        canvas = background.copy()
        if attempt < 8:
            paint_things(canvas, [*things, *anomalies])
        else:
            # Where traffic hides one choice after another, they come before everything else.
            paint_things(canvas, things)
            paint_things(canvas, anomalies)
        share = float((canvas.classes() == Class.ANOMALY).mean())
        if SMALLEST_SHARE <= share <= LARGEST_SHARE:
            break
    return canvas


def _develop(canvas: Canvas, image: NDArray[np.uint8]) -> Scene:
    kinds = canvas.classes()
    anomaly = kinds == Class.ANOMALY
    label = np.full((HEIGHT, WIDTH), INLIER, np.uint8)
    if anomaly.any():
        width = 2 * VOID_BORDER + 1
        around = cv2.dilate(anomaly.astype(np.uint8), np.ones((width, width), np.uint8)).astype(bool)
        kinds[around], label[around] = VOID, VOID
        label[anomaly] = ANOMALY
    return Scene(image, kinds, label)
