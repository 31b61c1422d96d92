"""Score maps as TIFF: every bit of every float32 survives, whoever reads the file."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from anomaly_eval.score_maps.tiff import encode_tiff

SPECIAL = np.float32([np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-39, 3.4028235e38, -3.4028235e38, 1.0])


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def by_opencv(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("read", [by_pillow, by_opencv])
@given(bits=arrays(np.uint32, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 2**32 - 1)))
def test_any_bits_come_back(read, bits):
    # Signalling NaN may be made quiet on the way; all else, subnormals and infinities among it, must be the same.
    values = bits.view(np.float32)
    values[np.isnan(values)] = np.nan
    found = read(encode_tiff(values))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize("read", [by_pillow, by_opencv])
@pytest.mark.parametrize("shape", [(1, 1), (1, 70_001), (70_001, 1), (300, 401), (720, 1280)])
def test_many_strips_and_odd_sizes_come_back(read, shape):
    values = np.random.default_rng(0).choice(SPECIAL, shape)
    assert read(encode_tiff(values)).tobytes() == values.tobytes()


def test_views_are_written_as_they_look():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    for view in (values.T, values[::-1, ::2], np.asfortranarray(values)):
        np.testing.assert_array_equal(by_pillow(encode_tiff(view)), view)


def test_the_same_map_gives_the_same_bytes():
    values = np.random.default_rng(0).standard_normal((50, 60)).astype(np.float32)
    assert encode_tiff(values) == encode_tiff(values.copy())


def test_smooth_maps_are_small():
    rows, columns = np.mgrid[:400, :600] / 100
    values = (np.sin(rows) + np.cos(columns)).astype(np.float32)
    assert len(encode_tiff(values)) < values.nbytes / 2


@pytest.mark.parametrize(
    "values", [np.zeros((2, 2)), np.zeros(3, np.float32), np.zeros((1, 2, 2), np.float32), np.zeros((0, 2), np.float32)]
)
def test_other_arrays_are_refused(values):
    with pytest.raises(ValueError, match="expected float32"):
        encode_tiff(values)
