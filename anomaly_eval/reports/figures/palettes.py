"""A colour for each class: those of Cityscapes for its classes, else colours as different as can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

VOID_COLOUR = (0, 0, 0)

_CITYSCAPES = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
_LEVELS = np.linspace(0, 255, 13).round().astype(np.uint8)


def class_colours(classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return an RGB colour for each class, (classes, 3), the same one in every figure of these classes."""
    plain = [" ".join(name.casefold().replace("_", " ").split()) for name in classes]
    if plain == list(_CITYSCAPES):
        return np.array(list(_CITYSCAPES.values()), np.uint8)
    return distinct_colours(len(classes))


@lru_cache(maxsize=8)
def distinct_colours(count: int) -> NDArray[np.uint8]:
    """Return colours (count, 3), up to 2195, each as far as can be from those before it and from black and white."""
    levels = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij"), axis=-1).reshape(-1, 3)
    places = _lab(levels)
    distance = np.full(len(levels), np.inf)
    chosen: list[int] = []
    # The first and the last of the levels are black, which is void, and white, the page.
    for taken in (0, len(levels) - 1):
        distance = np.minimum(distance, np.linalg.norm(places - places[taken], axis=1))
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
    colours = levels[chosen]
    colours.setflags(write=False)
    return colours


def _lab(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return sRGB colours (n, 3) in CIELAB, in which equal distances look about equally large."""
    values = colours / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratios = linear @ to_xyz.T / to_xyz.sum(axis=1)
    roots = np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116)
    x, y, z = roots.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
