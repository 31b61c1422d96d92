"""Steps of a training pipeline that mmsegmentation does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
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
