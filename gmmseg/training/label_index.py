"""Which classes each training label holds: found once, with a progress bar, and cached."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmseg.errors import InputError
from gmmseg.training.labels import LabelRule, in_threads, label_steps, read_label

_VERSION = 2


def classes_of_images(dataset: Any, cache: str | None = None, rule: LabelRule | None = None) -> NDArray[np.bool_]:
    """Return (N, C) bool: whether the label of an image holds a class, as the training pipeline reads labels.

    dataset: N images and C classes of mmsegmentation. cache: a folder, None is the user's cache dir; the file there is
    keyed by names, sizes and times of the label files and by the steps that read them. Raises InputError for a dataset
    without a pipeline of its own, without label files, with files that cannot be read, and with other values than the
    rule allows.
    """
    steps = _label_steps(dataset)
    paths = [dataset.get_data_info(index).get("seg_map_path") for index in range(len(dataset))]
    if not all(isinstance(path, str) for path in paths):
        raise InputError("ClassUniformSampler needs a label file for every training image; use InfiniteSampler.")
    classes = len(dataset.metainfo["classes"])
    folder = Path(cache) if cache is not None else _user_cache()
    file = folder / f"classes_of_images_{_key(paths, steps, dataset, classes, rule)}.npy"
    shape = (len(paths), classes)
    found = _cached(file, shape)
    if found is None:
        found = _read_all(dataset, steps, shape, rule or LabelRule(None))
        _store(file, found)
    return found


def _label_steps(dataset: Any) -> list[Any]:
    if not hasattr(getattr(dataset, "pipeline", None), "transforms") or not hasattr(dataset, "get_data_info"):
        raise InputError(
            f"ClassUniformSampler reads the labels of one dataset, not of {type(dataset).__name__}; use "
            f"InfiniteSampler."
        )
    steps = label_steps(dataset)
    if steps is None:
        raise InputError("ClassUniformSampler needs a training pipeline with LoadAnnotations; use InfiniteSampler.")
    return steps


def _read_all(dataset: Any, steps: Sequence[Any], shape: tuple[int, int], rule: LabelRule) -> NDArray[np.bool_]:
    count, classes = shape

    def held(index: int) -> NDArray[np.bool_]:
        labels, path = read_label(dataset, steps, index)
        rule.check(labels, path)
        return np.bincount(labels.ravel(), minlength=256)[:classes] > 0

    return np.stack(in_threads(held, count, "classes of the labels"))


def _key(paths: Sequence[str], steps: Sequence[Any], dataset: Any, classes: int, rule: LabelRule | None) -> str:
    digest = hashlib.sha256(repr((_VERSION, classes, steps, rule)).encode())
    digest.update(repr((getattr(dataset, "label_map", None), getattr(dataset, "reduce_zero_label", None))).encode())
    for path in paths:
        status = os.stat(path)
        digest.update(f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gmmseg-anomaly"


def _cached(file: Path, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    try:
        found: NDArray[np.bool_] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.bool_ else None


def _store(file: Path, found: NDArray[np.bool_]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npy", delete=False) as partial:
            np.save(partial, found)
        os.replace(partial.name, file)
    except OSError:
        # Without a place to keep it the next training reads the labels again.
        return
