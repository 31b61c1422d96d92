"""One score map from one file, whoever wrote it, without trust in what the file says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.score_maps.checking import HeaderCheck, as_scores, header_check
from anomaly_eval.score_maps.hdf5_files import read_hdf5
from anomaly_eval.score_maps.numpy_files import read_npy, read_npz
from anomaly_eval.score_maps.png_files import read_png
from anomaly_eval.score_maps.tiff_files import read_tiff

_OF_ONE: dict[str, Callable[[IO[bytes], HeaderCheck], NDArray[Any]]] = {
    ".npy": read_npy,
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".png": read_png,
}
_OF_SEVERAL: dict[str, Callable[[IO[bytes], HeaderCheck, str | None], NDArray[Any]]] = {
    ".npz": read_npz,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
}
"""Readers of files that may hold several arrays, called by keys."""
_MOST_BYTES_A_PIXEL, _MOST_BYTES_BESIDE = 16, 1 << 22


@dataclass(frozen=True)
class ReadMap:
    """A map (height, width) float32 or float64, the type that its file had, and the hash of the file."""

    values: NDArray[np.floating]
    stored: str
    sha256: str


def read_score_map(path: Path, label: Path, size: tuple[int, int], key: str | None = None) -> ReadMap:
    """Read the map of an image whose label `label` has the (height, width) `size`, the array `key` of its file.

    Axes of length 1 beside height and width are dropped.

    Raises InputError, which names the file, for one that is missing, damaged, far too long or of an unknown format,
    that holds Python objects, NaN or no numbers, and for another shape than the label's, before its values are read.
    """
    content = _content(path, size)
    try:
        values = _values(path, content, header_check(path, label, size), key)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path} cannot be read: {error}") from error
    except Exception as error:  # decoders raise errors of many kinds on damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the score map {path} cannot be read ({reason}); replace the file.") from error
    scores = as_scores(values.reshape(size), path)
    return ReadMap(scores, values.dtype.name, hashlib.sha256(content).hexdigest())


def _values(path: Path, content: bytes, check: HeaderCheck, key: str | None) -> NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix in _OF_SEVERAL:
        return _OF_SEVERAL[suffix](io.BytesIO(content), check, key)
    if key is not None:
        raise InputError(f"{suffix} files hold one array, without a name; leave :{key} out of --score-maps.")
    return _OF_ONE[suffix](io.BytesIO(content), check)


def _content(path: Path, size: tuple[int, int]) -> bytes:
    """Read a file whose length is in proportion to its label."""
    most = _MOST_BYTES_A_PIXEL * size[0] * size[1] + _MOST_BYTES_BESIDE
    try:
        return read_regular(path, most)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}, where a score map should be; save the score maps anew.") from error
    except OSError as error:
        raise InputError(
            f"the score map {path} cannot be read ({error.strerror}); it must be a file with the scores of "
            f"{size[1]}x{size[0]} pixels and little else."
        ) from error
