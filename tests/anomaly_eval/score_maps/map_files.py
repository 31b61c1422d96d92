"""One score map in a file of every format, and what reading it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.files import read_score_map
from anomaly_eval.score_maps.tiff import encode_tiff

SIZE = (5, 7)
LABEL = Path("labels/0.png")
VALUES = np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)


def read(path: Path, size: tuple[int, int] = SIZE) -> np.ndarray:
    return read_score_map(path, LABEL, size).values


def refused(path: Path, *words: str, size: tuple[int, int] = SIZE) -> None:
    with pytest.raises(InputError) as error:
        read(path, size)
    text = str(error.value)
    assert text.count("\n") == 0 and text.endswith(".")
    for word in (str(path), *words):
        assert word in text, text


def write(path: Path, values: np.ndarray) -> Path:
    """Write a score map in the format that the suffix says, and return the path."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, score=values)
    elif path.suffix == ".tif":
        path.write_bytes(encode_tiff(values))
    else:
        write_hdf5(path, value=values)
    return path


def write_hdf5(path: Path, **arrays: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression=9)
