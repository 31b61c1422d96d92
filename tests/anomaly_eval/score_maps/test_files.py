"""One score map from one file: of every format, and everything that is not a usable one."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.files import read_score_map
from anomaly_eval.score_maps.tiff import encode_tiff
from tests.anomaly_eval.fuzzing.png_files import png_of

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


def npy(values: object, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def write_hdf5(path: Path, **arrays: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression=9)


def test_numpy_files_come_back(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(VALUES))
    np.savez(tmp_path / "plain.npz", VALUES)
    np.savez_compressed(tmp_path / "named.npz", score=VALUES, other=np.zeros(3))
    np.savez_compressed(tmp_path / "only.NPZ.npz", anomaly_map=VALUES)
    for path in tmp_path.iterdir():
        found = read(path)
        assert found.dtype == np.float32 and found.tobytes() == VALUES.tobytes(), path


@given(bits=arrays(np.uint32, SIZE, elements=st.integers(0, 2**32 - 1)))
def test_our_own_files_come_back_bit_by_bit(tmp_path_factory, bits):
    values = bits.view(np.float32)
    values[np.isnan(values)] = -0.0
    path = tmp_path_factory.mktemp("map") / "0.tif"
    path.write_bytes(encode_tiff(values))
    found = read(path)
    assert found.dtype == np.float32 and found.tobytes() == values.tobytes()


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32"])
def test_tiff_files_of_others_come_back(tmp_path, kind):
    """The directory of a TIFF file by hand, as Pillow and OpenCV write some types only."""
    dtype = np.dtype(kind)
    limits = (-100, 100) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = np.linspace(*limits, 35).reshape(SIZE).astype(np.float64 if dtype.kind == "f" else object).astype(dtype)
    numbers = {"u": 1, "i": 2, "f": 3}[dtype.kind]
    tags = {256: 7, 257: 5, 258: 8 * dtype.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: 5, 279: values.nbytes}
    tags[339] = numbers
    padding = b"\0" * (values.nbytes % 2)
    content = b"II*\0" + struct.pack("<I", 8 + values.nbytes + len(padding)) + values.tobytes() + padding
    content += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags.items())
    (tmp_path / "0.tiff").write_bytes(content + b"\0" * 4)
    found = read(tmp_path / "0.tiff")
    np.testing.assert_array_equal(found, values)
    assert found.dtype == (np.float64 if dtype.itemsize == 4 and dtype.kind != "f" else np.float32)


@pytest.mark.parametrize("options", [[], [cv2.IMWRITE_TIFF_COMPRESSION, 1], [cv2.IMWRITE_TIFF_COMPRESSION, 5]])
def test_tiff_files_of_opencv_and_pillow_come_back(tmp_path, options):
    assert cv2.imwrite(str(tmp_path / "0.tif"), VALUES, options)
    Image.fromarray(VALUES).save(tmp_path / "1.tif")
    Image.fromarray(VALUES).save(tmp_path / "2.tif", compression="tiff_lzw")
    for path in tmp_path.iterdir():
        assert read(path).tobytes() == VALUES.tobytes()


@pytest.mark.parametrize("suffix", ["h5", "hdf5"])
def test_hdf5_files_come_back(tmp_path, suffix):
    # float16 under the key `value`, compressed: as the benchmark code of SegmentMeIfYouCan writes them.
    write_hdf5(tmp_path / f"0.{suffix}", value=VALUES.astype(np.float16), other=VALUES)
    np.testing.assert_array_equal(read(tmp_path / f"0.{suffix}"), VALUES.astype(np.float16))
    write_hdf5(tmp_path / f"1.{suffix}", anything=VALUES)
    np.testing.assert_array_equal(read(tmp_path / f"1.{suffix}"), VALUES)


def test_hdf5_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "0.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(tmp_path / "0.hdf5", "h5py", "pip install")


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64", ">f8", "uint8", "int16", "int32", "int64", "uint64"])
def test_every_kind_of_number_is_ranked_as_it_is(tmp_path, dtype):
    values = (VALUES * 50).astype(dtype) if dtype[0] != "u" else np.abs(VALUES * 50).astype(dtype)
    np.save(tmp_path / "0.npy", values)
    found = read_score_map(tmp_path / "0.npy", LABEL, SIZE)
    assert found.values.dtype == np.float32
    assert found.stored == np.dtype(dtype).name
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize(
    "value", [0.1, 1 - 2**-50, 1e300, 5e-324, np.int64(2**24 + 1), np.int64(-(2**53)), np.uint64(2**53)]
)
def test_numbers_that_float32_lacks_stay_what_they_are(tmp_path, value):
    values = np.zeros(SIZE, np.asarray(value).dtype)
    values[2, 3] = value
    np.save(tmp_path / "0.npy", values)
    found = read(tmp_path / "0.npy")
    assert found.dtype == (
        np.float32 if float(value) == float(np.float32(np.clip(float(value), -1e38, 1e38))) else np.float64
    )
    assert found[2, 3] == value


def test_infinities_are_scores(tmp_path):
    values = VALUES.copy()
    values[0, :2] = np.inf, -np.inf
    np.save(tmp_path / "0.npy", values)
    np.testing.assert_array_equal(read(tmp_path / "0.npy"), values)


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "hdf5"])
def test_nan_is_refused(tmp_path, suffix):
    values = VALUES.copy()
    values[4, 6] = np.nan
    path = tmp_path / f"7.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    elif suffix == "npz":
        np.savez(path, values)
    elif suffix == "tif":
        path.write_bytes(encode_tiff(values))
    else:
        write_hdf5(path, value=values)
    refused(path, "NaN", "void")


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "h5"])
def test_other_sizes_are_refused_with_both(tmp_path, suffix):
    values = np.zeros((4, 9), np.float32)
    path = tmp_path / f"0.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    elif suffix == "npz":
        np.savez_compressed(path, score=values)
    elif suffix == "tif":
        Image.fromarray(values).save(path)
    else:
        write_hdf5(path, value=values)
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
        archive.writestr("score.npy", npy(VALUES))
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
    path = tmp_path / f"0.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    elif suffix == "npz":
        np.savez_compressed(path, score=values)
    elif suffix == "tif":
        path.write_bytes(encode_tiff(values))
    else:
        write_hdf5(path, value=values)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, size=(60, 70))


def test_it_must_be_clear_which_array_is_meant(tmp_path):
    np.savez(tmp_path / "two.npz", a=VALUES, b=VALUES)
    np.savez(tmp_path / "none.npz")
    refused(tmp_path / "two.npz", "a, b", "none called score", "as in --score-maps FOLDER:a (or b)")
    refused(tmp_path / "none.npz", "no array")
    write_hdf5(tmp_path / "two.h5", a=VALUES, b=VALUES)
    refused(tmp_path / "two.h5", "a, b", "value", "as in --score-maps FOLDER:a (or b)")


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_a_key_names_the_array_that_is_meant(tmp_path, suffix):
    path = tmp_path / f"0.{suffix}"
    usual = {"npz": "score", "h5": "value"}[suffix]
    arrays = {usual: -VALUES, "msp": VALUES, "image": np.zeros((*SIZE, 3), np.uint8)}
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        write_hdf5(path, **arrays)
    np.testing.assert_array_equal(read(path), -VALUES)
    np.testing.assert_array_equal(read_score_map(path, LABEL, SIZE, "msp").values, VALUES)
    with pytest.raises(InputError, match=r"no array called energy; name one that it holds, as in --score-maps FOLDER:"):
        read_score_map(path, LABEL, SIZE, "energy")
    with pytest.raises(InputError, match=rf"5x7x3; .*, or, as that is its array image, name another.*{usual}"):
        read_score_map(path, LABEL, SIZE, "image")


def test_the_usual_array_of_another_shape_is_not_the_only_one(tmp_path):
    np.savez(tmp_path / "0.npz", np.zeros((*SIZE, 3)), VALUES)
    refused(tmp_path / "0.npz", "5x7x3", "as that is its array arr_0, name another, as in --score-maps FOLDER:arr_1.")
    np.testing.assert_array_equal(read_score_map(tmp_path / "0.npz", LABEL, SIZE, "arr_1").values, VALUES)


def test_hdf5_arrays_in_groups_have_keys_with_slashes(tmp_path):
    write_hdf5(tmp_path / "0.h5", **{"scores/msp": VALUES, "scores/energy": -VALUES})
    refused(tmp_path / "0.h5", "as in --score-maps FOLDER:scores/energy (or scores/msp)")
    np.testing.assert_array_equal(read_score_map(tmp_path / "0.h5", LABEL, SIZE, "scores/msp").values, VALUES)


def test_files_of_one_array_have_no_keys(tmp_path):
    np.save(tmp_path / "0.npy", VALUES)
    with pytest.raises(InputError, match=r"0\.npy cannot be read: \.npy files hold one array, .* leave :msp out"):
        read_score_map(tmp_path / "0.npy", LABEL, SIZE, "msp")


@pytest.mark.parametrize("shape", [(1, 5, 7), (5, 7, 1), (1, 1, 5, 7), (5, 1, 7), (1, 5, 7, 1, 1)])
@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
def test_axes_of_length_one_are_dropped(tmp_path, suffix, shape):
    path, values = tmp_path / f"0.{suffix}", VALUES.reshape(shape)
    if suffix == "npy":
        np.save(path, np.asfortranarray(values))
    elif suffix == "npz":
        np.savez(path, values)
    else:
        write_hdf5(path, value=values)
    assert read(path).tobytes() == VALUES.tobytes()


@pytest.mark.parametrize("size", [(1, 7), (5, 1), (1, 1)])
def test_images_of_one_row_or_column_keep_it(tmp_path, size):
    values = VALUES[: size[0], : size[1]]
    np.save(tmp_path / "0.npy", values[None])
    np.testing.assert_array_equal(read(tmp_path / "0.npy", size), values)
    np.save(tmp_path / "0.npy", values.T)
    if size[0] != size[1]:
        refused(tmp_path / "0.npy", "pixels, its label", size=size)


@pytest.mark.parametrize(("kind", "steps"), [(np.uint8, 7), (np.uint16, 1800)])
def test_png_files_are_ranked_as_they_are(tmp_path, kind, steps):
    values = (np.arange(35).reshape(SIZE) * steps).astype(kind)
    Image.fromarray(values).save(tmp_path / "0.png")
    assert cv2.imwrite(str(tmp_path / "1.PNG"), values)
    for path in tmp_path.iterdir():
        found = read_score_map(path, LABEL, SIZE)
        assert (found.stored, found.values.dtype) == (np.dtype(kind).name, np.float32)
        np.testing.assert_array_equal(found.values, values)


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
