"""Writing score maps into a run folder while the images pass by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.records import DatasetRecord
from anomaly_eval.runtime.choices import Precision
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.score_maps.index import INDEX_FILE, SCORES_FOLDER, MapsIndex, SavedMap
from anomaly_eval.score_maps.tiff import encode_tiff

_MOST_WORKERS = 4


class ScoreWriter:
    """Writes `scores/DATASET/METHOD/ID.tif`, those of one image while the next one is computed; made by `writer`."""

    def __init__(
        self, folder: Path, datasets: Sequence[SampleSet], precision: Precision, pool: ThreadPoolExecutor
    ) -> None:
        """Take the run folder, all datasets whose images may come, and the threads that compress and write."""
        self._folder, self._precision, self._pool = folder / SCORES_FOLDER, precision, pool
        names = file_names(samples.spec for samples in datasets)
        ids = {samples.spec: file_names(sample.id for sample in samples.samples) for samples in datasets}
        self._names = {dataset: (name, ids[dataset]) for dataset, name in names.items()}
        self._methods: dict[str, str] = {}
        self._maps: dict[str, dict[str, dict[str, SavedMap]]] = {}
        self._pending: list[tuple[str, str, str, Future[SavedMap]]] = []

    def keep(
        self,
        samples: SampleSet,
        sample: Sample,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        maps: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """Begin to write the maps of an image, once those of the one before are written; an observer of images.

        Raises InputError for a score that float16 cannot hold where that was asked for, OSError where the disk is full.
        """
        self._collect()
        # Methods are the same for all images; names depend on which come first.
        self._methods = self._methods or file_names(maps)
        name, ids = self._names[samples.spec]
        for method, values in maps.items():
            file = f"{name}/{self._methods[method]}/{ids[sample.id]}.tif"
            future = self._pool.submit(self._write, file, values, f"the score {method} of {sample.image}")
            self._pending.append((samples.spec, method, sample.id, future))

    def finish(self, model: ModelRecord, fits: Mapping[str, FitRecord], records: Sequence[DatasetRecord]) -> None:
        """Write the index: which file is which, and where the scores come from."""
        self._collect()
        self._folder.mkdir(parents=True, exist_ok=True)
        index = MapsIndex(
            precision=self._precision,
            model=model,
            fits=dict(fits),
            files_sha256={record.name: record.files_sha256 for record in records if record.name in self._maps},
            pixels_sha256={
                one.name: one.pixels_sha256 for one in records if one.name in self._maps and one.pixels_sha256
            },
            maps=self._maps,
        )
        write_atomically(self._folder / INDEX_FILE, (index.model_dump_json(indent=1) + "\n").encode())

    def _write(self, file: str, values: NDArray[np.float32], what: str) -> SavedMap:
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        content = encode_tiff(values if self._precision == "float32" else rounded_to_float16(values, what))
        path.write_bytes(content)
        height, width = values.shape
        return SavedMap(file=file, shape=(height, width), sha256=hashlib.sha256(content).hexdigest())

    def _collect(self) -> None:
        """Wait for what is being written, and raise what went wrong with it."""
        for dataset, method, id, future in self._pending:
            self._maps.setdefault(dataset, {}).setdefault(method, {})[id] = future.result()
        self._pending = []


@contextmanager
def writer(folder: Path, datasets: Sequence[SampleSet], precision: Precision | None) -> Iterator[ScoreWriter | None]:
    """Give a writer into a run folder, and end its threads; without a precision nothing is to be written."""
    if precision is None:
        yield None
        return
    with ThreadPoolExecutor(min(_MOST_WORKERS, os.cpu_count() or 1)) as pool:
        try:
            yield ScoreWriter(folder, datasets, precision, pool)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def rounded_to_float16(
    values: NDArray[np.float32], what: str, remedy: str = "--save-scores float32"
) -> NDArray[np.float32]:
    """Return the nearest numbers that float16 has, as float32; raises InputError for finite ones beyond its range."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).astype(np.float32)
    lost = np.isinf(rounded) & np.isfinite(values)
    if lost.any():
        raise InputError(
            f"{what} goes to {values[lost][0]:g}, and float16 ends at 65504; give {remedy}, which loses nothing."
        )
    return rounded
