"""Files that are no usable score map: each is refused in one sentence, and nothing in it runs or is unpacked."""

from __future__ import annotations

import io
import os
import pickle
import sys
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.anomaly_eval.fuzzing.png_files import png_of
from tests.anomaly_eval.score_maps.map_files import SIZE, VALUES, refused, write, write_hdf5


def test_hdf5_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "0.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(tmp_path / "0.hdf5", "h5py", "pip install")


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "hdf5"])
def test_nan_is_refused(tmp_path, suffix):
    values = VALUES.copy()
    values[4, 6] = np.nan
    refused(write(tmp_path / f"7.{suffix}", values), "NaN", "void")


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "h5"])
def test_other_sizes_are_refused_with_both(tmp_path, suffix):
    path = write(tmp_path / f"0.{suffix}", np.zeros((4, 9), np.float32))
    refused(path, "9x4", "7x5", "labels/0.png")


def test_other_shapes_and_types_are_refused(tmp_path):
    for name, values, words in (
        ("channels", np.zeros((5, 7, 2), np.float32), ("5x7x2", "5x7")),
        ("turned", np.zeros((1, 7, 5), np.float32), ("1x7x5", "5x7")),
        ("flat_in_one", np.zeros((1, 1, 35), np.float32), ("1x1x35",)),
        ("flat", np.zeros(35, np.float32), ("shape 35",)),
        ("number", np.float32(3), ("a single number",)),
        ("truth", np.zeros(SIZE, bool), ("bool", "float32")),
        ("complex", np.zeros(SIZE, complex), ("complex128",)),
        ("text", np.full(SIZE, "a"), ("<U1",)),
        ("record", np.zeros(SIZE, [("score", np.float32)]), ("score",)),
        ("wide", np.zeros(SIZE, np.longdouble), ("float128" if np.longdouble(0).itemsize > 8 else "",)),
        ("large", np.full(SIZE, 2**53 + 1), ("2^53",)),
    ):
        np.save(tmp_path / f"{name}.npy", values)
        if name != "wide" or np.longdouble(0).itemsize > 8:
            refused(tmp_path / f"{name}.npy", *words)


class Trap:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("inside", ["npy", "npz", "bare"])
def test_pickles_are_never_loaded(tmp_path, inside):
    mark = tmp_path / "mark"
    values = np.full(SIZE, None)
    values[0, 0] = Trap(mark)
    path = tmp_path / ("0.npz" if inside == "npz" else "0.npy")
    if inside == "npz":
        np.savez(path, score=values)
    elif inside == "npy":
        np.save(path, values)
    else:
        path.write_bytes(pickle.dumps(Trap(mark)))
    refused(path, *(() if inside == "bare" else ("pickle",)))
    assert not mark.exists()


@pytest.mark.parametrize("honest", [False, True])
def test_bombs_are_not_unpacked(tmp_path, honest):
    """200 megabytes of zeros in 200 kilobytes, whether the header names them or the size of the label."""
    header = io.BytesIO()
    shape = SIZE if honest else (5_000, 10_000)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("score.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(20):
            member.write(bytes(10_000_000))
    tracemalloc.start()
    refused(path, *(("length",) if honest else ("10000x5000", "7x5")))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_other_compressions_are_not_unpacked(tmp_path):
    path = tmp_path / "0.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(write(tmp_path / "0.npy", VALUES), "score.npy")
    refused(path, "compression")


def test_files_that_are_far_too_long_are_not_read(tmp_path):
    path = tmp_path / "0.npy"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    refused(path, "larger than")


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "tiff", "h5", "hdf5"])
@pytest.mark.parametrize("content", [b"", b"no score map", b"\x93NUMPY", b"PK\x03\x04", b"II*\0\x08\0\0\0", b"\x89HDF"])
def test_damaged_files_are_refused(tmp_path, suffix, content):
    if suffix in ("h5", "hdf5"):
        pytest.importorskip("h5py")
    (tmp_path / f"0.{suffix}").write_bytes(content)
    refused(
        tmp_path / f"0.{suffix}", "save it as a TIFF of float32" if suffix.startswith("tif") else "replace the file"
    )


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "hdf5"])
def test_truncated_files_are_refused(tmp_path, suffix):
    values = np.random.default_rng(0).standard_normal((60, 70)).astype(np.float32)
    path = write(tmp_path / f"0.{suffix}", values)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, size=(60, 70))


def test_png_pictures_are_refused_with_what_to_save(tmp_path):
    gray = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(SIZE))
    for mode in ("RGB", "RGBA", "LA", "P", "1"):
        gray.convert(mode).save(tmp_path / "0.png")
        refused(tmp_path / "0.png", f"pixels of the kind {mode}; save the scores themselves, one number for each pixel")
    (tmp_path / "0.png").write_bytes(png_of(7, 5, 4, 0, b"\1" * 4))
    refused(tmp_path / "0.png", "fewer than 8 bits")
    gray.save(tmp_path / "0.png", save_all=True, append_images=[gray.rotate(180)])
    refused(tmp_path / "0.png", "several pages")
    (exif := Image.Exif())[274] = 6
    gray.save(tmp_path / "0.png", exif=exif)
    refused(tmp_path / "0.png", "asks to be turned")
    gray.save(tmp_path / "0.png", "JPEG")
    refused(tmp_path / "0.png", "no PNG file")
    Image.fromarray(np.zeros((4, 9), np.uint8)).save(tmp_path / "0.png")
    refused(tmp_path / "0.png", "9x4", "7x5", "labels/0.png")
    (tmp_path / "0.png").write_bytes(b"")
    refused(tmp_path / "0.png", "no PNG file")


def test_hdf5_files_that_lead_elsewhere_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    np.full(SIZE, 3, np.float32).tofile(tmp_path / "secret.bin")
    write_hdf5(tmp_path / "secret.h5", value=VALUES)
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("value", SIZE, np.float32, external=[(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["value"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "value")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(SIZE, np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "value", SIZE)
        file.create_virtual_dataset("value", layout)
    for name in ("external", "link", "virtual"):
        refused(tmp_path / f"{name}.h5")


def test_hdf5_files_in_huge_pieces_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file.create_dataset("value", SIZE, np.float32, chunks=(20_000, 20_000), maxshape=(None, None), compression=9)
    refused(tmp_path / "0.h5", "pieces")


def test_pictures_are_no_score_maps(tmp_path):
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "colours.tif")
    Image.fromarray(np.zeros(SIZE, bool)).save(tmp_path / "bits.tif")
    Image.fromarray(np.zeros(SIZE, np.uint8)).convert("P").save(tmp_path / "palette.tif")
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "white.tif", tiffinfo={262: 0})
    Image.fromarray(VALUES).save(tmp_path / "turned.tif", tiffinfo={274: 3})
    Image.fromarray(VALUES).save(tmp_path / "pages.tif", save_all=True, append_images=[Image.fromarray(VALUES)])
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "png.tif", "PNG")
    assert cv2.imwrite(str(tmp_path / "double.tif"), VALUES.astype(np.float64))
    for path in tmp_path.iterdir():
        refused(path)


def test_folders_and_pipes_are_no_files(tmp_path):
    (tmp_path / "0.npy").mkdir()
    refused(tmp_path / "0.npy", "a file with the scores of 7x5 pixels")
    os.mkfifo(tmp_path / "1.npy")
    refused(tmp_path / "1.npy", "pipe")
    refused(tmp_path / "2.npy", "no file")
