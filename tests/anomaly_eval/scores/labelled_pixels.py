"""The pixels that scores learn from, listed one by one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores.pixel_sample import pixel_keys
from anomaly_eval.segmenters.base import Prediction


def by_key(images: Mapping[str, tuple[Prediction, NDArray[np.uint8]]]) -> list[NDArray[np.float32]]:
    """Return the features of all labelled pixels, by key; a feature stands for 8 x 8 pixels of the label."""
    found = []
    for name, (prediction, label) in images.items():
        features = prediction.features.values
        _, height, width = features.shape
        keys = pixel_keys(name, height * width)
        for y in range(height):
            for x in range(width):
                if label[8 * y + 4, 8 * x + 4] != VOID:
                    found.append((keys[width * y + x], features[:, y, x].numpy()))
    return [feature for _, feature in sorted(found, key=lambda pair: pair[0])]
