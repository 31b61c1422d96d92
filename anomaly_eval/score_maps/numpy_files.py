"""Score maps as numpy files: `.npy`, and `.npz`, of which one array is the map."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.checking import HeaderCheck
from anomaly_eval.score_maps.keys import choose_key, naming_others

_USUAL_KEYS = ("score", "arr_0")
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


def read_npz(file: IO[bytes], check: HeaderCheck, key: str | None = None) -> NDArray[Any]:
    """Return the array called `key`, else the one called `score` or `arr_0`, else the only one.

    Raises ValueError for a damaged file, and InputError where it is not clear which array is meant.
    """
    with zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        arrays = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        chosen = choose_key(list(arrays), key, _USUAL_KEYS)
        if arrays[chosen].compress_type not in _COMPRESSIONS:
            raise InputError("it has a compression that numpy does not write; save it with numpy.savez_compressed.")
        with archive.open(arrays[chosen]) as member, naming_others(list(arrays), chosen):
            return read_npy(member, check)
