"""Score maps as HDF5 files with the key `value`, as the benchmark code of SegmentMeIfYouCan writes them.

Needs the optional dependency `h5py`.
"""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.checking import HeaderCheck
from anomaly_eval.score_maps.keys import choose_key, naming_others

_USUAL_KEYS = ("value",)
_CHUNK_BYTES = 1 << 28


def read_hdf5(file: IO[bytes], check: HeaderCheck, key: str | None = None) -> NDArray[Any]:
    """Return the array called `key`, as `value` or `group/value`, else the one called `value`, else the only one.

    Nothing outside the file is read, though HDF5 files can point to others. Raises ValueError for a damaged file, and
    InputError where h5py is missing or it is not clear which array is meant.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError("HDF5 files need the package h5py; install it with `pip install h5py`.") from error
    with h5py.File(file, "r") as content:
        arrays: dict[str, Any] = {}
        # Visits no links, neither to other files nor within this one.
        content.visititems(lambda name, found: arrays.update({name: found} if isinstance(found, h5py.Dataset) else {}))
        chosen = choose_key(list(arrays), key, _USUAL_KEYS)
        array = arrays[chosen]
        if array.is_virtual or array.external:
            raise InputError("its values lie in other files; save them in this one.")
        with naming_others(list(arrays), chosen):
            check(array.shape or (), array.dtype)
        if array.chunks is not None and math.prod(array.chunks) * array.dtype.itemsize > _CHUNK_BYTES:
            raise InputError("it is stored in pieces of far too many values; save it with chunks=True.")
        return np.asarray(array[:])
