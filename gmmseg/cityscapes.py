"""Cityscapes at a quarter of its size or less, read from the genuine tree or from a flat copy."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
from pathlib import Path
from typing import Any

import cv2
from mmcv.transforms import BaseTransform
from mmengine.utils import scandir
from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS, TRANSFORMS

from gmmseg.errors import InputError
from gmmseg.image_files import check_same_size, read_labels


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
    """Read an image and its labels (train ids) at `size` (width, height).

    Images shrink by averaging areas and grow bilinearly, labels take the nearest pixel. With `keep` each file is read
    once: every worker process keeps what it read, at 512x256 half a megabyte a frame. Takes the place of
    LoadImageFromFile, LoadAnnotations and Resize. Raises InputError for files that cannot be read or do not fit.
    """

    def __init__(self, size: tuple[int, int], keep: bool = True) -> None:
        self.size, self.keep = tuple(size), keep
        self._kept: dict[str, tuple[Any, Any]] = {}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add image, labels and their sizes."""
        path = results["img_path"]
        frame = self._kept.get(path)
        if frame is None:
            frame = self._read(Path(path), Path(results["seg_map_path"]))
            if self.keep:
                self._kept[path] = frame
        # Later steps may write into them.
        image, labels = (array.copy() for array in frame)
        results.update(img=image, gt_seg_map=labels, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        results["seg_fields"] = [*results.get("seg_fields", ()), "gt_seg_map"]
        return results

    def _read(self, path: Path, label_path: Path) -> tuple[Any, Any]:
        image, labels = cv2.imread(str(path), cv2.IMREAD_COLOR), read_labels(label_path)
        if image is None:
            raise InputError(f"the image {path} cannot be read; replace the file.")
        (height, width), (rows, columns) = image.shape[:2], labels.shape
        check_same_size(path, (width, height), label_path, (columns, rows))
        shrinks = height * width > self.size[0] * self.size[1]
        image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return image, cv2.resize(labels, self.size, interpolation=cv2.INTER_NEAREST)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, keep={self.keep})"
