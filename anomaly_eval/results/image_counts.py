"""The file from which methods of different runs are compared on the same images: counts of each image, compressed.

`counts.npz` holds an array (bytes of a number, images, 2, bins) for each dataset and method, lowest bytes first, as the
rarely used high bytes compress to nothing by themselves; and one with the JSON that says what they are. `results.json`
notes the hash of the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.bootstrap import RankedCounts
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.results.record import Record
from anomaly_eval.results.records import Results
from anomaly_eval.results.resamples import MethodCounts
from anomaly_eval.runtime.safe_read import read_regular

COUNTS_FILE = "counts.npz"
_INDEX = "index"
_LARGEST_FILE = 1 << 30
_MOST_NUMBERS, _MOST_BYTES = 1 << 28, 4
"""Of one array: as many as 8,192 images with 2^14 bins have, of 32 bits each."""
# What zip files say of the day is left out, so that equal counts are equal files.
_NO_DAY = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class DatasetCounts:
    """Of one dataset: the hash of each image with its label, in the order of drawing, and the methods by name."""

    dataset: str
    images: Sequence[str]
    fpr_convention: Convention
    methods: Mapping[str, MethodCounts]


class _CountedMethod(Record):
    method: str
    rates: dict[str, float]


class _CountedDataset(Record):
    dataset: str
    images: list[str]
    fpr_convention: Convention
    methods: list[_CountedMethod]


class _Index(Record):
    format_version: int = 1
    datasets: list[_CountedDataset]


def write_counts(folder: Path, found: Sequence[DatasetCounts]) -> str | None:
    """Write the counts of all datasets into a folder of results, and return the hash of the file; None without any."""
    if not found:
        return None
    index = _Index(
        datasets=[
            _CountedDataset(
                dataset=one.dataset,
                images=list(one.images),
                fpr_convention=one.fpr_convention,
                methods=[_CountedMethod(method=name, rates=dict(own.rates)) for name, own in one.methods.items()],
            )
            for one in found
        ]
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        _add(archive, _INDEX, np.frombuffer(index.model_dump_json().encode(), np.uint8))
        for place, one in enumerate(found):
            for number, own in enumerate(one.methods.values()):
                _add(archive, f"{place}.{number}", _bytes_apart(own.ranked.counts))
    (folder / COUNTS_FILE).write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


class CountsFile:
    """The counts of a run, checked to be those of its results; arrays are unpacked when they are asked for."""

    def __init__(self, folder: Path, results: Results) -> None:
        """Read the file of a folder; raises InputError where there is none, or another than `results` speak of."""
        self.path = folder / COUNTS_FILE
        if results.counts_sha256 is None:
            raise InputError(
                f"{folder} holds no {COUNTS_FILE}, from which differences between runs are drawn; evaluate anew with "
                f"--bootstrap 1000."
            )
        try:
            self._content = read_regular(self.path, _LARGEST_FILE)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}); evaluate anew.") from error
        if hashlib.sha256(self._content).hexdigest() != results.counts_sha256:
            raise InputError(
                f"{self.path} is damaged or of another run: results.json beside it notes another hash; evaluate anew."
            )
        self._results = results
        try:
            text = self._read(_INDEX, axes=1).tobytes()
            index = _Index.model_validate(json.loads(text))
        except (ValidationError, RecursionError) as error:
            raise self._refused("its index is not as it was written") from error
        self._datasets = {one.dataset: (place, one) for place, one in enumerate(index.datasets)}

    def methods(self, dataset: str) -> list[str]:
        """Return the methods that were counted on a dataset; none where there are no counts of it."""
        return [one.method for one in self._datasets[dataset][1].methods] if dataset in self._datasets else []

    def images(self, dataset: str) -> list[str]:
        """Return the hash of each image of a dataset that is there, in the order of drawing."""
        return self._datasets[dataset][1].images

    def fpr_convention(self, dataset: str) -> Convention:
        """Return how FPR95 was read off on a dataset that is there."""
        return self._datasets[dataset][1].fpr_convention

    def counts(self, dataset: str, method: str) -> MethodCounts:
        """Return the counts of a method; raises InputError where they are not those of its row in the results."""
        place, found = self._datasets[dataset]
        number = self.methods(dataset).index(method)
        counts = _joined(self._read(f"{place}.{number}", axes=4))
        own = MethodCounts(RankedCounts(counts), found.methods[number].rates)
        rows = [row for row in self._results.rows if (row.dataset, row.method) == (dataset, method)]
        if not rows or counts.shape[:2] != (len(found.images), 2) or len(found.images) != rows[0].n_images:
            raise self._refused(f"the counts of {method!r} on {dataset!r} are not those of the results")
        totals = counts.sum(axis=(0, 2), dtype=np.int64).tolist()
        written = {metric.key: metric.written(own.rates.get(metric.key, math.nan)) for metric in registry.RANKING}
        if totals != [rows[0].n_anomaly_pixels, rows[0].n_inlier_pixels] or written != rows[0].metrics:
            raise self._refused(f"the counts of {method!r} on {dataset!r} are not those of the results")
        return own

    def _read(self, name: str, axes: int) -> np.ndarray:
        """Return an array; raises InputError for anything but bytes of so many axes."""
        try:
            with zipfile.ZipFile(io.BytesIO(self._content)) as archive, archive.open(f"{name}.npy") as member:
                # The others that zip files know unpack without bounds.
                if archive.getinfo(f"{name}.npy").compress_type != zipfile.ZIP_DEFLATED:
                    raise ValueError("another compression")
                return _array(member, axes)
        except Exception as error:  # a damaged archive leads its reader to errors of many kinds
            raise self._refused(f"its array {name} is not as it was written") from error

    def _refused(self, reason: str) -> InputError:
        return InputError(f"{self.path} was not written by this tool ({reason}); evaluate anew.")


def _bytes_apart(counts: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
    """Return the bytes of numbers, lowest first, (bytes, ...)."""
    whole = np.ascontiguousarray(counts.astype(counts.dtype.newbyteorder("<")))
    return np.moveaxis(whole.view(np.uint8).reshape(*whole.shape, whole.itemsize), -1, 0)


def _joined(parts: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the numbers of bytes that `_bytes_apart` took apart."""
    counts = np.zeros(parts.shape[1:], np.uint32)
    for place, part in enumerate(parts):
        counts |= part.astype(np.uint32) << np.uint32(8 * place)
    return counts


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    content = io.BytesIO()
    npy.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    archive.writestr(zipfile.ZipInfo(f"{name}.npy", _NO_DAY), content.getvalue(), compress_type=zipfile.ZIP_DEFLATED)


def _array(member: IO[bytes], axes: int) -> np.ndarray:
    """Read an array of which no more is unpacked than its header says; raises ValueError for one of another kind."""
    if npy.read_magic(member) != (1, 0):
        raise ValueError("another version of the format")
    shape, is_fortran, dtype = npy.read_array_header_1_0(member)
    wanted = math.prod(shape)
    is_large = math.prod(shape[-3:]) > _MOST_NUMBERS or (axes == 4 and shape[0] > _MOST_BYTES)
    if len(shape) != axes or min(shape) < 0 or is_fortran or dtype != np.uint8 or is_large:
        raise ValueError("another kind of array")
    content = member.read(wanted)
    if len(content) != wanted or member.read(1):
        raise ValueError("another length than in its header")
    return np.frombuffer(content, dtype).reshape(shape)
