"""Labels of training and validation: read by the rules of evaluation, and with values that the network knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
import numpy as np
from mmengine.registry import DATASETS
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from gmmseg.cityscapes import LoadSmallFrame
from gmmseg.errors import InputError, reason_of
from gmmseg.image_files import check_pair, check_same_size, read_labels
from gmmseg.transforms import ReplaceLabels

_NAMED = 10
_Result = TypeVar("_Result")


@TRANSFORMS.register_module()
class LoadCheckedLabels(LoadAnnotations):  # type: ignore[misc]
    """mmsegmentation's LoadAnnotations, which reads labels as evaluation does; takes its place in every training.

    Raises InputError for what `read_labels` refuses, and for labels of another size than the image.
    """

    def _load_seg_map(self, results: dict[str, Any]) -> None:
        path = Path(results["seg_map_path"])
        labels = read_labels(path)
        if "ori_shape" in results:
            (height, width), (rows, columns) = results["ori_shape"][:2], labels.shape
            check_same_size(Path(results["img_path"]), (width, height), path, (columns, rows))
        if self.reduce_zero_label not in (None, results["reduce_zero_label"]):
            raise InputError(
                f"LoadAnnotations has reduce_zero_label={self.reduce_zero_label}, its dataset "
                f"{results['reduce_zero_label']}; set it in the dataset alone."
            )
        if results["reduce_zero_label"]:
            # 0 and 255 are ignored; all others go down by one.
            labels = np.where((labels == 0) | (labels == 255), 255, labels - 1).astype(np.uint8)
        table = np.arange(256, dtype=np.uint8)
        for old, new in (results.get("label_map") or {}).items():
            table[old] = new
        results["gt_seg_map"] = table[labels]
        results["seg_fields"].append("gt_seg_map")


def check_labels_of(settings: Any) -> bool:
    """Let `LoadCheckedLabels` read the labels of a dataset's settings, in place; return whether it reads all of them.

    Labels that come by other ways than plain files, or through other decoders, are left to these.
    """
    plain = [_make_checked(pipeline) for pipeline in _pipelines(settings) if _loaders(pipeline)[1]]
    return bool(plain) and all(plain)


@dataclass(frozen=True)
class LabelRule:
    """Which values labels may hold: those below `classes` (None: any), and `ignored` ones."""

    classes: int | None
    ignored: tuple[int, ...] = (255,)

    def check(self, labels: NDArray[Any], path: object) -> None:
        """Raise InputError, which names the label file, for other values."""
        if self.classes is None or labels.size == 0:
            return
        values = np.flatnonzero(np.bincount(labels.astype(np.int64).ravel(), minlength=256))
        wrong = [int(value) for value in values if value >= self.classes and value not in self.ignored]
        if wrong:
            shown = ", ".join(map(str, wrong[:_NAMED])) + (" and more" if len(wrong) > _NAMED else "")
            raise InputError(
                f"the label {path} holds the value{'s' * (len(wrong) > 1)} {shown}, but the network has {self.classes} "
                f"classes, and {' and '.join(map(str, self.ignored))} is ignored; correct the label files, map values "
                f"by a step ReplaceLabels after LoadAnnotations, or set num_classes."
            )


class SamplesOfDataset:
    """Another dataset, each sample of which is prepared and checked by `checked`.

    Raises InputError that names the file for a sample that cannot be prepared, and for a label with other values than
    `classes` and `ignored`.
    """

    used_for: str
    """What messages call its images."""

    def __init__(self, dataset: Any, classes: int | None = None, ignored: Sequence[int] = (255,)) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.rule = LabelRule(classes, tuple(ignored))

    @property
    def metainfo(self) -> Any:
        """Class names and palette of the dataset."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """List the files."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def checked(self, index: int) -> Any:
        """Return a sample whose labels are what they must be."""
        try:
            sample = self.dataset[index]
        except InputError:
            raise
        except Exception as error:  # the steps of a pipeline fail in their own ways
            path = path_of(self.dataset, index)
            raise InputError(
                f"the {self.used_for} image {path} cannot be prepared ({reason_of(error)}); correct the file or the "
                f"pipeline."
            ) from error
        check_sample(sample, self.rule, path_of(self.dataset, index, "seg_map_path"))
        return sample


@DATASETS.register_module()
class CheckedSamples(SamplesOfDataset):
    """A validation dataset whose labels are checked as they are read."""

    used_for = "validation"

    def __getitem__(self, index: int) -> Any:
        return self.checked(index)


def check_sample(sample: Any, rule: LabelRule, path: str) -> None:
    """Check the labels that a pipeline ended with, if it did."""
    labels = getattr((sample or {}).get("data_samples"), "gt_sem_seg", None)
    if labels is not None:
        rule.check(labels.data.numpy(), path)


def path_of(dataset: Any, index: int, which: str = "img_path") -> str:
    """Return the image of a sample, or the label (`seg_map_path`); its number where it is no file."""
    info = dataset.get_data_info(index) if hasattr(dataset, "get_data_info") else {}
    return str(info.get(which, f"number {index}"))


def check_headers(pairs: Iterable[tuple[Path, Path | None]]) -> int:
    """Return the pixels of all labels; raise InputError for one whose header says that it does not fit its image."""
    known = [(image, label) for image, label in pairs if label is not None]
    sizes = in_threads(lambda place: check_pair(*known[place]), len(known))
    return sum(width * height for width, height in sizes)


def check_values(dataset: Any, rule: LabelRule, what: str) -> None:
    """Read all labels of a dataset of mmsegmentation; raise InputError for the first one with other values.

    Also where all pixels of all of them are ignored. Does nothing where other steps than those known here make its
    labels.
    """
    steps = label_steps(dataset)
    if steps is None:
        return

    def counts(index: int) -> bool:
        labels, path = read_label(dataset, steps, index)
        rule.check(labels, path)
        return not np.isin(labels, rule.ignored).all()

    if not any(in_threads(counts, len(dataset), what)):
        ignored = " or ".join(map(str, rule.ignored))
        raise InputError(
            f"all {what} hold nothing but {ignored}, which is ignored, so that no pixel counts; correct the label "
            f"files, or reduce_zero_label and label_map of their dataset."
        )


def label_steps(dataset: Any) -> list[Any] | None:
    """Return the first steps of a pipeline that make the label: loading it and replacing values; None where none do."""
    transforms = getattr(getattr(dataset, "pipeline", None), "transforms", None)
    if transforms is None or not hasattr(dataset, "get_data_info"):
        return None
    steps = [step for step in transforms if isinstance(step, LoadAnnotations | LoadSmallFrame | ReplaceLabels)]
    # That one loads the image too, and a part of the labels.
    steps = [LoadCheckedLabels() if isinstance(step, LoadSmallFrame) else step for step in steps]
    return steps if any(isinstance(step, LoadAnnotations) for step in steps) else None


def read_label(dataset: Any, steps: Sequence[Any], index: int) -> tuple[NDArray[Any], str]:
    """Return the label of a sample after these steps, (H, W), and its file; raise InputError that names it."""
    results = dataset.get_data_info(index)
    path = str(results["seg_map_path"])
    try:
        for step in steps:
            results = step(results)
    except InputError:
        raise
    except Exception as error:  # decoders fail in their own ways
        raise InputError(f"the label file {path} cannot be read ({reason_of(error)}); replace the file.") from error
    return results["gt_seg_map"], path


def in_threads(task: Callable[[int], _Result], count: int, what: str | None = None) -> list[_Result]:
    """Return the results for 0 to `count`; in a terminal, a progress bar says `what` where that is given."""
    console = Console(stderr=True, emoji=False)
    hidden = what is None or not console.is_terminal
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(task, range(count))
        return list(track(found, what or "", count, console=console, transient=True, disable=hidden))


def _pipelines(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        if isinstance(value.get("pipeline"), list | tuple):
            yield value["pipeline"]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _pipelines(item)


def _loaders(pipeline: Sequence[Any]) -> tuple[Any, Any]:
    """Return the steps of a pipeline that load images and labels, None where there are none."""
    steps = {str(step.get("type")).split(".")[-1]: step for step in pipeline if isinstance(step, Mapping)}
    if "LoadSmallFrame" in steps:
        return steps["LoadSmallFrame"], steps["LoadSmallFrame"]
    return steps.get("LoadImageFromFile"), steps.get("LoadAnnotations", steps.get("LoadCheckedLabels"))


def _make_checked(pipeline: Sequence[Any]) -> bool:
    """Replace the step that loads labels; return whether images and labels come from plain files."""
    image, label = _loaders(pipeline)
    if label.get("imdecode_backend", "pillow") != "pillow" or label.get("backend_args") is not None:
        return False
    if label is not image:
        label["type"] = "LoadCheckedLabels"
    # Other decoders may turn or stretch images in ways that headers do not tell.
    return image is not None and image.get("imdecode_backend", "cv2") == "cv2" and image.get("backend_args") is None
