"""Pictures no larger than a page can show, so that files stay small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.metrics.labels import ANOMALY, VOID
from anomaly_eval.reports.page.thumbnails import thumbnail_size

LONGEST = 1024
"""Pixels that the long side of what is drawn may have."""


def shrink_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) with a long side of at most 1024, each pixel the mean of what it covers."""
    return np.asarray(Image.fromarray(picture).resize(_small(picture.shape[:2]), Image.Resampling.BOX))


def shrink_classes(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return class ids (h, w) with a long side of at most 1024, each the one in the middle of what it covers."""
    return np.asarray(Image.fromarray(ids).resize(_small(ids.shape), Image.Resampling.NEAREST))


def shrink_label(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an anomaly label (h, w) with a long side of at most 1024: even an anomaly of one pixel stays in it."""
    small = np.zeros(_small(label.shape)[::-1], np.uint8)
    small[_share(label == VOID) >= 0.5] = VOID
    small[_share(label == ANOMALY) > 0] = ANOMALY
    return small


def shrink_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores (h, w) with a long side of at most 1024, each the mean of the numbers that it covers.

    Infinities count as the largest and the smallest number of the map. NaN where less than half is a number.
    """
    known = np.isfinite(scores)
    low, high = (scores[known].min(), scores[known].max()) if known.any() else (0, 0)
    numbers = np.nan_to_num(scores, nan=0.0, posinf=high, neginf=low)
    weight = _share(~np.isnan(scores))
    total = np.asarray(Image.fromarray(numbers).resize(_small(scores.shape), Image.Resampling.BOX), np.float32)
    return np.where(weight >= 0.5, total / np.maximum(weight, 0.5), np.float32(np.nan)).astype(np.float32)


def _share(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return which part of each small pixel is true."""
    values = Image.fromarray(mask.astype(np.float32))
    return np.asarray(values.resize(_small(mask.shape), Image.Resampling.BOX), np.float32)


def _small(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (width, height) to resize a shape (height, width) to."""
    height, width = thumbnail_size(shape, LONGEST)
    return width, height
