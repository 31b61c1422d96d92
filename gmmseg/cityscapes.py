"""Cityscapes at a quarter of its size or less, read from the genuine tree or from a flat copy."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.utils import scandir
from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS, TRANSFORMS

from gmmseg.errors import InputError


@DATASETS.register_module()
class SmallCityscapes(BaseSegDataset):  # type: ignore[misc]
    """The frames of `split` (train or val) in `data_root`, with their labels in train ids.

    Either the genuine tree, leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and gtFine/SPLIT/CITY/*_gtFine_labelTrainIds.png,
    or images/SPLIT/*.jpg and annotations/SPLIT/*.png of the same names.

    Raises FileNotFoundError where neither is there.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, split: str, **settings: Any) -> None:
        self.split = split
        super().__init__(img_suffix="", seg_map_suffix="", **settings)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the files in alphabetical order."""
        root = Path(self.data_root)
        genuine = (root / "leftImg8bit" / self.split).is_dir()
        images = root / ("leftImg8bit" if genuine else "images") / self.split
        labels = root / ("gtFine" if genuine else "annotations") / self.split
        if not images.is_dir():
            raise FileNotFoundError(f"there is neither leftImg8bit/{self.split} nor images/{self.split} in {root}")
        found: list[dict[str, Any]] = []
        for name in sorted(scandir(str(images), suffix=(".png", ".jpg"), recursive=True)):
            label = name.replace("_leftImg8bit.png", "_gtFine_labelTrainIds.png") if genuine else f"{name[:-4]}.png"
            found.append(
                dict(
                    img_path=str(images / name),
                    seg_map_path=str(labels / label),
                    label_map=None,
                    reduce_zero_label=False,
                    seg_fields=[],
                )
            )
        return found


@TRANSFORMS.register_module()
class LoadSmallFrame(BaseTransform):  # type: ignore[misc]
    """Read an image and its labels at `size` (width, height), once: both are kept in memory, half a megabyte a frame.

    Images shrink by averaging areas and grow bilinearly, labels take the nearest pixel. Takes the place of
    LoadImageFromFile, LoadAnnotations and Resize. Raises InputError that names a file that cannot be read.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = tuple(size)
        self._kept: dict[str, tuple[Any, Any]] = {}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add image, labels and their sizes."""
        path = results["img_path"]
        if path not in self._kept:
            self._kept[path] = self._read(path, cv2.IMREAD_COLOR), self._read(results["seg_map_path"], -1)
        # Later steps may write into them.
        image, labels = (array.copy() for array in self._kept[path])
        results.update(img=image, gt_seg_map=labels, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        results["seg_fields"] = [*results.get("seg_fields", ()), "gt_seg_map"]
        return results

    def _read(self, path: str, flag: int) -> Any:
        array = cv2.imread(path, flag)
        if array is None:
            raise InputError(f"the image {path} cannot be read; check the file.")
        if flag == -1:
            if array.ndim != 2:
                raise InputError(f"the labels {path} are a colour image; train ids are one number a pixel.")
            return cv2.resize(array, self.size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        shrinks = array.shape[0] * array.shape[1] > self.size[0] * self.size[1]
        return cv2.resize(array, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"
