"""Score maps as numpy files: `.npy`, and `.npz` with one array."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from anomaly_eval.score_maps.checking import HeaderCheck
from anomaly_eval.score_maps.matching import listed

_KEYS = ("score.npy", "arr_0.npy")
# The others that zip files know unpack without bounds.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npy(file: IO[bytes], check: HeaderCheck) -> NDArray[Any]:
    """Return the array of a file; nothing is unpickled, and no more is read than the header announced.

    Raises ValueError for a damaged file.
    """
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    header = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    shape, is_fortran, dtype = header
    check(shape, dtype)
    wanted = math.prod(shape) * dtype.itemsize
    content = file.read(wanted)
    if len(content) < wanted or file.read(1):
        raise ValueError("its length is not the one in its header")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")


def read_npz(file: IO[bytes], check: HeaderCheck) -> NDArray[Any]:
    """Return the only array of a file, or the one called `score` or `arr_0`.

    Raises ValueError for a damaged file, and where it is not clear which array is meant.
    """
    with zipfile.ZipFile(file) as archive:
        arrays = {entry.filename: entry for entry in archive.infolist() if entry.filename.endswith(".npy")}
        name = next((key for key in _KEYS if key in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
        if name is None:
            names = [found.removesuffix(".npy") for found in arrays]
            raise ValueError(
                f"it holds the arrays {listed(names)}, none called score" if names else "it holds no array"
            )
        if arrays[name].compress_type not in _COMPRESSIONS:
            raise ValueError("a compression that numpy does not write")
        with archive.open(arrays[name]) as member:
            return read_npy(member, check)
