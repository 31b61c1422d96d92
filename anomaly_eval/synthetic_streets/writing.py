"""The synthetic streets as files, in the layout that their two cards read."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.machine import keep_freed_memory, usable_cores
from anomaly_eval.runtime.output_folder import prepare_output
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.synthetic_streets.request import StreetsRequest
from anomaly_eval.synthetic_streets.scene import SPLITS, Split, draw_scene

NAME = "synthetic_streets"
"""Card of the test scenes with anomalies."""
CLASSES_NAME = "synthetic_streets_classes"
"""Card of the train and val scenes with the labels of all classes."""

_QUALITY = 95
# Below this many scenes for each process, starting it takes longer than drawing.
_WORTH_A_PROCESS = 12


def write_streets(request: StreetsRequest, console: Console) -> None:
    """Draw the scenes and write them; the folder appears when all are there, and not before.

    Raises InputError where nothing is asked for, where the folder exists and is not empty, and where it cannot be
    written.
    """
    counts: dict[Split, int] = dict(zip(SPLITS, (request.train, request.val, request.test), strict=True))
    jobs = [(request.seed, split, index) for split, count in counts.items() for index in range(count)]
    if not jobs:
        raise InputError("there is nothing to draw; give --train, --val or --test a number above 0.")
    _check_new(request.out)
    with prepare_output(request.out, overwrite=False) as folder:
        for split, count in counts.items():
            for kind in _folders(split) if count else ():
                (folder.path / kind).mkdir(parents=True)
        with (
            progress_bar(console, f"drawing {NAME}", len(jobs)) as advance,
            _mapping(_workers(request, len(jobs))) as map_jobs,
        ):
            for _ in map_jobs(_write_one, [(str(folder.path), *job) for job in jobs]):
                advance()


def scene_id(seed: int, split: Split, index: int) -> str:
    """Return the name of a scene's files, which holds all that is needed to draw it again."""
    return f"seed{seed}_{split}_{index:05d}"


def _check_new(out: Path) -> None:
    try:
        filled = out.is_dir() and next(out.iterdir(), None) is not None
    except OSError as error:
        raise InputError(f"{out} cannot be opened ({error.strerror}); choose another --out.") from error
    if filled:
        raise InputError(f"{out} exists and is not empty; choose another --out, and move the data sets afterwards.")


def _folders(split: Split) -> tuple[str, str]:
    """Return where the images and the masks of a split lie, relative to the data root."""
    if split == "test":
        return f"{NAME}/images", f"{NAME}/labels_masks"
    return f"{CLASSES_NAME}/images/{split}", f"{CLASSES_NAME}/annotations/{split}"


def _write_one(job: tuple[str, int, Split, int]) -> None:
    root, seed, split, index = job
    scene = draw_scene(seed, split, index, with_anomalies=split == "test")
    images, masks = (Path(root, folder) for folder in _folders(split))
    name = scene_id(seed, split, index)
    # Colours at full resolution, as small lamps and signs are nothing but colour.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        _QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    (images / f"{name}.jpg").write_bytes(_encode(".jpg", np.ascontiguousarray(scene.image[..., ::-1]), options))
    mask = scene.label if split == "test" else scene.classes
    (masks / f"{name}.png").write_bytes(_encode(".png", mask, []))


def _encode(suffix: str, content: NDArray[np.uint8], options: list[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, content, options)
    if not done:
        raise RuntimeError(f"OpenCV cannot write {suffix} files")
    return bytes(encoded)


def _workers(request: StreetsRequest, jobs: int) -> int:
    if request.workers is not None:
        return min(request.workers, jobs)
    return max(min(usable_cores(), jobs // _WORTH_A_PROCESS), 1)


Mapper = Callable[[Callable[[tuple[str, int, Split, int]], None], list[tuple[str, int, Split, int]]], Iterator[None]]


@contextmanager
def _mapping(workers: int) -> Iterator[Mapper]:
    """Yield what maps jobs over so many processes, or over none but this one."""
    if workers == 1:
        yield map
        return
    # Forked processes hang where the parent has threads, as it has once torch was used.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare_worker)
    try:
        yield lambda work, jobs: pool.map(work, jobs, chunksize=4)
    except BrokenProcessPool as error:
        raise InputError("a process that draws was ended from outside; free some memory, and try again.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    # Ctrl-C is the parent's to handle: it stops the workers and removes what is half written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    cv2.setNumThreads(1)
