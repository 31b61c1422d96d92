"""Small versions of images, labels and score maps that hide nothing: an anomaly and a high score stay visible."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID

_JPEG_QUALITY = 82


def thumbnail_size(shape: tuple[int, ...], longest: int) -> tuple[int, int]:
    """Return the (height, width) at which the longer side is at most `longest`; nothing is enlarged."""
    height, width = shape[:2]
    factor = min(1.0, longest / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrink_scores(scores: NDArray[np.float32], label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the largest score of the pixels that each pixel of a smaller size (height, width) covers.

    Void pixels do not count; where there is nothing else, the value is minus infinity, whatever their scores.
    """
    known = np.where(label == VOID, np.float32(-np.inf), scores)
    return np.asarray(_fold(np.maximum, known, size), np.float32)


def shrink_label(label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 1 where any pixel covered is an anomaly, 255 where all are void, else 0."""
    anomaly = _fold(np.maximum, (label == ANOMALY).astype(np.uint8), size) == 1
    void = _fold(np.minimum, (label == VOID).astype(np.uint8), size) == 1
    return np.where(anomaly, ANOMALY, np.where(void, VOID, INLIER)).astype(np.uint8)


def jpeg(image: NDArray[np.uint8], longest: int) -> bytes:
    """Return an image (height, width, 3), made smaller, as a JPEG file."""
    height, width = thumbnail_size(image.shape[:2], longest)
    file = io.BytesIO()
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
    small.save(file, "jpeg", quality=_JPEG_QUALITY, optimize=True)
    return file.getvalue()


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a grey picture (height, width) as a PNG file, without loss and without any mark of colour management."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


def _fold(of: np.ufunc, values: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Reduce what each pixel of the smaller size covers; every pixel belongs to exactly one."""
    for axis, target in enumerate(size):
        length = values.shape[axis]
        if target < length:
            values = of.reduceat(values, np.arange(target) * length // target, axis=axis)
    return values
