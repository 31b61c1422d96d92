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
from anomaly_eval.score_maps.matching import listed

_KEY = "value"
_CHUNK_BYTES = 1 << 28


def read_hdf5(file: IO[bytes], check: HeaderCheck) -> NDArray[Any]:
    """Return the array called `value`, or the only one; raises ValueError for a file without it.

    Nothing outside the file is read, though HDF5 files can point to others. Raises InputError where h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError("HDF5 files need the package h5py; install it with `pip install h5py`.") from error
    with h5py.File(file, "r") as content:
        inside = [name for name in content if isinstance(content.get(name, getlink=True), h5py.HardLink)]
        arrays = {name: content[name] for name in inside if isinstance(content[name], h5py.Dataset)}
        if _KEY not in arrays and len(arrays) != 1:
            several = f"it holds the arrays {listed(list(arrays))}, none called {_KEY}"
            raise ValueError(several if arrays else "it holds no array")
        array = arrays.get(_KEY, next(iter(arrays.values())))
        if array.is_virtual or array.external:
            raise ValueError("its values lie in other files")
        check(array.shape or (), array.dtype)
        if array.chunks is not None and math.prod(array.chunks) * array.dtype.itemsize > _CHUNK_BYTES:
            raise ValueError("it is stored in pieces of far too many values")
        return np.asarray(array[:])
