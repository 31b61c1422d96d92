"""Steps of a training pipeline that mmsegmentation does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from gmmseg.errors import InputError


@TRANSFORMS.register_module()
class ReplaceLabels(BaseTransform):  # type: ignore[misc]
    """Replace label values, all at once: `values` maps what the masks hold to what training wants.

    Follows `LoadAnnotations`; labels are (H, W) uint8. mmsegmentation's own `label_map` exists only where a registered
    dataset class lists the names of all values of its masks.

    Raises InputError for values that are no whole numbers from 0 to 255.
    """

    def __init__(self, values: Mapping[int, int]) -> None:
        self.values = dict(values)
        for value in (*self.values.keys(), *self.values.values()):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
                raise InputError(f"ReplaceLabels cannot use the label {value!r}; labels are 0 to 255.")
        self._table = np.arange(256, dtype=np.uint8)
        for old, new in self.values.items():
            self._table[old] = new

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the labels in `gt_seg_map`."""
        results["gt_seg_map"] = self._table[results["gt_seg_map"]]
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(values={self.values})"


@TRANSFORMS.register_module()
class ThinLabels(BaseTransform):  # type: ignore[misc]
    """Keep the label of one pixel in each block of `factor` x `factor`, near its middle; the image stays as it is.

    The loss is then taken on a grid as coarse as most networks' own, without resizing their logits to every pixel,
    which takes a good part of a small network's training step. Random crops move the grid over all pixels. Sizes that
    `factor` does not divide are covered by blocks that end outside. Follows the last step that changes the size.

    Raises InputError for a factor below 1.
    """

    def __init__(self, factor: int) -> None:
        if not isinstance(factor, int) or isinstance(factor, bool) or factor < 1:
            raise InputError(f"ThinLabels cannot use the factor {factor!r}; it is a whole number of at least 1.")
        self.factor = factor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Thin out `gt_seg_map`."""
        labels = results["gt_seg_map"]
        height, width = labels.shape
        rows = np.minimum(np.arange(0, height, self.factor) + self.factor // 2, height - 1)
        columns = np.minimum(np.arange(0, width, self.factor) + self.factor // 2, width - 1)
        results["gt_seg_map"] = np.ascontiguousarray(labels[rows][:, columns])
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(factor={self.factor})"


@TRANSFORMS.register_module()
class OtherCamera(BaseTransform):  # type: ignore[misc]
    """Change an image as another camera and other light would: colours, exposure, tone, focus and noise.

    A density calls unknown what training never showed, and other cameras' roads are among it. `strength` is how far the
    changes may go: at 1 saturation is multiplied by 0 to 1.6, contrast by 0.5 to 1.5, each channel by 0.75 to 1.3, all
    by 0.6 to 1.4, tones are raised to 0.6 to 1.6; three in ten images are blurred (0.4 to 1.2 pixels), as many are
    sharpened, and as many get noise of 2 to 12 grey levels. 0 leaves the image alone. Images are (H, W, 3) uint8.

    Raises InputError for a strength outside [0, 1].
    """

    def __init__(self, strength: float = 1.0) -> None:
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise InputError(f"OtherCamera cannot use the strength {strength!r}; it is a number from 0 to 1.")
        self.strength = strength

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`."""
        pixels = results["img"].astype(np.float32)
        grey = pixels.mean(axis=2, keepdims=True)
        pixels = grey + (pixels - grey) * self._factor(0, 1.6)
        mean = pixels.mean()
        pixels = mean + (pixels - mean) * self._factor(0.5, 1.5)
        pixels *= np.array([self._factor(0.75, 1.3) for _ in range(3)], np.float32) * self._factor(0.6, 1.4)
        pixels = 255 * (pixels.clip(0, 255) / 255) ** self._factor(0.6, 1.6)
        pixels = self._focused(pixels)
        if np.random.random() < 0.3:
            pixels = pixels + np.random.standard_normal(pixels.shape).astype(np.float32) * self._up_to(2, 12)
        results["img"] = pixels.round().clip(0, 255).astype(np.uint8)
        return results

    def _focused(self, pixels: np.ndarray) -> np.ndarray:
        """Blur three images in ten, and sharpen as many."""
        kind, amount = np.random.random(), np.random.random()
        if kind < 0.3 and self.strength > 0:
            pixels = cv2.GaussianBlur(pixels, (0, 0), self.strength * (0.4 + 0.8 * amount))
        elif kind < 0.6:
            pixels = pixels + self.strength * (0.3 + 1.2 * amount) * (pixels - cv2.GaussianBlur(pixels, (0, 0), 1.0))
        return pixels

    def _factor(self, low: float, high: float) -> np.float32:
        return np.float32(1 + self.strength * (np.random.uniform(low, high) - 1))

    def _up_to(self, low: float, high: float) -> np.float32:
        return np.float32(self.strength * np.random.uniform(low, high))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(strength={self.strength})"
