"""What the metrics take: numpy arrays and torch tensors, of any floating type, as flat arrays that numpy can rank."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID

ArrayLike: TypeAlias = Any
"""A numpy array or a torch tensor on any device; torch itself is not imported."""


class NothingToMeasureError(ValueError):
    """Arrays lack what a metric is about, such as anomalies; nothing is wrong with what is there."""


def as_array(values: ArrayLike) -> NDArray[Any]:
    """Return a tensor on any device, or an array, as an array of the same type."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def as_scores(scores: ArrayLike) -> NDArray[np.floating]:
    """Return scores of any shape as float32 or float64, without a copy where that is what they are.

    float16 and bfloat16 become float32, which changes no value. Raises TypeError for scores that are no floating-point
    numbers.
    """
    # numpy knows no bfloat16.
    if hasattr(scores, "detach") and scores.is_floating_point() and scores.dtype.itemsize < 4:
        scores = scores.float()
    values = as_array(scores)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype != np.float16:
        raise TypeError(f"scores must be floating-point numbers, not {values.dtype}")
    return values.astype(np.float32)


def rounded_to_float32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return values as float32; what is too large becomes infinite, which keeps the order."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def split_by_label(
    scores: ArrayLike, labels: ArrayLike, image_id: str = ""
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the scores of the anomalies and of the inliers, each (n,), without the void pixels.

    scores: floating point, any shape. labels: the same shape, with 0 inlier, 1 anomaly, 255 void. Raises ValueError
    for another shape, another label and NaN at a pixel that is not void, naming `image_id`, and TypeError for scores
    that are no floating-point numbers.
    """
    of_image = f" of {image_id}" if image_id else ""
    if tuple(scores.shape) != tuple(labels.shape):
        shapes = f"{tuple(scores.shape)} do not fit labels of shape {tuple(labels.shape)}"
        raise ValueError(f"scores{of_image} of shape {shapes}")
    values, classes = as_scores(scores).reshape(-1), as_array(labels).reshape(-1)
    is_anomaly, is_inlier = classes == ANOMALY, classes == INLIER
    anomalies, inliers = values[is_anomaly], values[is_inlier]
    n_known = len(anomalies) + len(inliers)
    if n_known < len(classes) and n_known + np.count_nonzero(classes == VOID) < len(classes):
        others = classes[~(is_anomaly | is_inlier | (classes == VOID))]
        raise ValueError(
            f"the labels{of_image} hold {others[0]}, but {INLIER} is inlier, {ANOMALY} anomaly and {VOID} void"
        )
    for part in (anomalies, inliers):
        # The maximum is NaN if one value is, and needs no mask of its own.
        if len(part) and np.isnan(part.max()):
            raise ValueError(f"the scores{of_image} hold NaN")
    return anomalies, inliers
