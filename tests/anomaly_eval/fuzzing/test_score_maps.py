"""Whatever a score map holds, its scores are read or it is refused in one sentence."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anomaly_eval.score_maps.files import read_score_map
from anomaly_eval.score_maps.index import MapsIndex, SavedMap, read_index
from anomaly_eval.score_maps.tiff import encode_tiff
from tests.anomaly_eval.fuzzing.origins import FIT, MODEL
from tests.anomaly_eval.fuzzing.readers import ODD_TEXT, ODD_VALUES, damaged, examples, only_input_errors, rearranged

SIZE = (9, 13)
VALUES = np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)
DTYPES = ("<f4", ">f4", "<f8", "<f2", "|u1", "<u2", "<i4", "<i8")


def npy(values: np.ndarray, **options: Any) -> bytes:
    """Return an array as a `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, values, **options)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    """Return arrays as a compressed `.npz` file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """Return an array as Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", **options)
    return file.getvalue()


def png(values: np.ndarray) -> bytes:
    """Return an array of 8 or 16 bits as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def hdf5(**options: Any) -> bytes:
    """Return the values as an HDF5 file."""
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        content.create_dataset("value", data=VALUES, **options)
    return file.getvalue()


FILES = {
    ".npy": [npy(VALUES.astype(kind)) for kind in DTYPES] + [npy(np.asfortranarray(VALUES), version=(2, 0))],
    ".npz": [npz(score=VALUES), npz(a=VALUES, score=VALUES), npz(a=VALUES), npz(a=VALUES, b=VALUES)],
    ".tif": [
        encode_tiff(VALUES),
        *(tiff(VALUES, compression=kind) for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")),
        *(tiff(VALUES.astype(kind)) for kind in ("u1", "u2", "i4")),
    ],
    ".png": [png((100 * np.abs(VALUES)).astype(kind)) for kind in ("u1", "u2")],
}


def use(suffix: str, content: bytes) -> None:
    """Read a map of the right size."""
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        path = Path(folder) / f"0{suffix}"
        path.write_bytes(content)
        found = read_score_map(path, Path("labels/0.png"), SIZE)
        assert found.values.shape == SIZE and found.values.dtype in (np.float32, np.float64)
        assert not np.isnan(found.values).any()


@pytest.mark.parametrize("suffix", sorted(FILES))
@given(data=st.data())
@examples(250)
def test_damaged_score_maps(suffix: str, data: st.DataObject) -> None:
    use(suffix, data.draw(damaged(FILES[suffix])))


@given(data=st.data())
@examples(150)
def test_damaged_hdf5(data: st.DataObject) -> None:
    use(".h5", data.draw(damaged([hdf5(), hdf5(compression=9), hdf5(chunks=(3, 4), shuffle=True)])))


@given(
    header=st.fixed_dictionaries(
        {},
        optional={
            "descr": st.one_of(st.sampled_from([*DTYPES, "|O", "<c8", "|V4", "<U3", "<M8[s]", "?"]), ODD_VALUES),
            "fortran_order": st.one_of(st.booleans(), ODD_VALUES),
            "shape": st.one_of(st.just(SIZE), st.lists(st.integers(-2, 2**63), max_size=3).map(tuple), ODD_VALUES),
            "more": ODD_VALUES,
        },
    ),
    length=st.sampled_from([0, 9 * 13, 9 * 13 * 4, 9 * 13 * 8]),
    version=st.sampled_from([1, 2, 3, 9]),
    packed=st.booleans(),
)
@examples(250)
def test_other_headers_of_numpy_files(header: dict[str, Any], length: int, version: int, packed: bool) -> None:
    text = repr(header).encode("latin-1", "replace")[:60_000]
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    content = b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(length)
    if packed:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("score.npy", content)
        content = file.getvalue()
    use(".npz" if packed else ".npy", content)


INDEX = MapsIndex(
    precision="float32",
    model=MODEL,
    fits={"sml": FIT},
    files_sha256={"own": "d" * 64},
    maps={"own": {"sml": {"0": SavedMap(file="own/sml/0.tif", shape=SIZE, sha256="e" * 64)}}},
)


@given(data=st.data())
@examples(250)
def test_other_indices(data: st.DataObject) -> None:
    tree = rearranged(json.loads(INDEX.model_dump_json()))
    content = data.draw(
        st.one_of(tree.map(lambda tree: json.dumps(tree).encode()), damaged([INDEX.model_dump_json().encode()]))
    )
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        (Path(folder) / "index.json").write_bytes(content)
        read_index(Path(folder))


@given(path=ODD_TEXT)
@examples(100)
def test_no_path_of_an_index_leads_out_of_its_folder(path: str) -> None:
    index = json.loads(INDEX.model_dump_json())
    index["maps"]["own"]["sml"]["0"]["file"] = path
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        (Path(folder) / "index.json").write_text(json.dumps(index))
        found = read_index(Path(folder))
        assert found is not None
        place, known = found
        file = place / known.maps["own"]["sml"]["0"].file
        assert Path(folder).resolve() in file.resolve().parents
