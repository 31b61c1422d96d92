"""One score map from one file: of every format, number for number what was written."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from anomaly_eval.score_maps.files import read_score_map
from anomaly_eval.score_maps.tiff import encode_tiff
from tests.anomaly_eval.score_maps.map_files import LABEL, SIZE, VALUES, read, refused, write, write_hdf5


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


@pytest.mark.parametrize(("kind", "steps"), [(np.uint8, 7), (np.uint16, 1800)])
def test_png_files_are_ranked_as_they_are(tmp_path, kind, steps):
    values = (np.arange(35).reshape(SIZE) * steps).astype(kind)
    Image.fromarray(values).save(tmp_path / "0.png")
    assert cv2.imwrite(str(tmp_path / "1.PNG"), values)
    for path in tmp_path.iterdir():
        found = read_score_map(path, LABEL, SIZE)
        assert (found.stored, found.values.dtype) == (np.dtype(kind).name, np.float32)
        np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize("shape", [(1, 5, 7), (5, 7, 1), (1, 1, 5, 7), (5, 1, 7), (1, 5, 7, 1, 1)])
@pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
def test_axes_of_length_one_are_dropped(tmp_path, suffix, shape):
    for order in "CF":
        path = write(tmp_path / f"{order}.{suffix}", np.asarray(VALUES.reshape(shape), order=order))
        assert read(path).tobytes() == VALUES.tobytes()


@pytest.mark.parametrize("size", [(1, 7), (5, 1), (1, 1)])
def test_images_of_one_row_or_column_keep_it(tmp_path, size):
    values = VALUES[: size[0], : size[1]]
    np.save(tmp_path / "0.npy", values[None])
    np.testing.assert_array_equal(read(tmp_path / "0.npy", size), values)
    np.save(tmp_path / "0.npy", values.T)
    if size[0] != size[1]:
        refused(tmp_path / "0.npy", "pixels, its label", size=size)
