"""Which classes each training label holds: found once, with a progress bar, and cached."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets.transforms import LoadAnnotations
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from gmmseg.errors import InputError
from gmmseg.transforms import ReplaceLabels

_VERSION = 1


def classes_of_images(dataset: Any, cache: str | None = None) -> NDArray[np.bool_]:
    """Return (N, C) bool: whether the label of an image holds a class, as the training pipeline reads labels.

    dataset: N images and C classes of mmsegmentation. cache: a folder, None is the user's cache dir; the file there is
    keyed by names, sizes and times of the label files and by the steps that read them. Raises InputError for a dataset
    without a pipeline of its own, without label files, and with files that cannot be read.
    """
    steps = label_steps(dataset)
    paths = [dataset.get_data_info(index).get("seg_map_path") for index in range(len(dataset))]
    if not all(isinstance(path, str) for path in paths):
        raise InputError("ClassUniformSampler needs a label file for every training image.")
    classes = len(dataset.metainfo["classes"])
    folder = Path(cache) if cache is not None else _user_cache()
    file = folder / f"classes_of_images_{_key(paths, steps, dataset, classes)}.npy"
    shape = (len(paths), classes)
    found = _cached(file, shape)
    if found is None:
        found = _read_all(dataset, steps, shape)
        _store(file, found)
    return found


def label_steps(dataset: Any) -> list[Any]:
    """Return the first steps of a pipeline that make the label: loading it and replacing values."""
    transforms = getattr(getattr(dataset, "pipeline", None), "transforms", None)
    if transforms is None or not hasattr(dataset, "get_data_info"):
        raise InputError(
            f"ClassUniformSampler reads the labels of one dataset, not of {type(dataset).__name__}; use the default "
            f"sampler."
        )
    steps = [step for step in transforms if isinstance(step, LoadAnnotations | ReplaceLabels)]
    if not any(isinstance(step, LoadAnnotations) for step in steps):
        raise InputError("ClassUniformSampler needs a training pipeline with LoadAnnotations.")
    return steps


def _read_all(dataset: Any, steps: Sequence[Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    count, classes = shape

    def held(index: int) -> NDArray[np.bool_]:
        results = dataset.get_data_info(index)
        path = results["seg_map_path"]
        try:
            for step in steps:
                results = step(results)
        except Exception as error:  # decoders fail in their own ways
            raise InputError(f"the label file {path} cannot be read ({type(error).__name__}: {error}).") from error
        return np.bincount(results["gt_seg_map"].ravel(), minlength=256)[:classes] > 0

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(held, range(count))
        return np.stack(list(track(found, "classes of the labels", count, console=Console(stderr=True))))


def _key(paths: Sequence[str], steps: Sequence[Any], dataset: Any, classes: int) -> str:
    digest = hashlib.sha256(repr((_VERSION, classes, steps)).encode())
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
