"""Thumbnails hide neither anomalies nor high scores, and come back from their files as they were."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anomaly_eval.reports.page.thumbnails import jpeg, png, shrink_label, shrink_scores, thumbnail_size


@pytest.mark.parametrize(
    ("shape", "longest", "wanted"),
    [
        ((720, 1280), 480, (270, 480)),
        ((1280, 720), 480, (480, 270)),
        ((30, 40), 480, (30, 40)),
        ((1, 900), 480, (1, 480)),
    ],
)
def test_size(shape: tuple[int, int], longest: int, wanted: tuple[int, int]) -> None:
    assert thumbnail_size(shape, longest) == wanted


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 23), st.integers(1, 23), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_each_pixel_is_the_largest_of_those_it_covers(height: int, width: int, longest: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.standard_normal((height, width)).astype(np.float32)
    label = random.choice(np.array([0, 1, 255], np.uint8), (height, width))
    # Scores of void pixels are anything.
    scores[label == 255] = np.nan
    size = thumbnail_size((height, width), longest)
    small_scores, small_label = shrink_scores(scores, label, size), shrink_label(label, size)
    assert small_scores.shape == small_label.shape == size
    assert small_scores.dtype == np.float32 and small_label.dtype == np.uint8
    rows, columns = (np.append(np.arange(n) * full // n, full) for n, full in zip(size, (height, width), strict=True))
    for y in range(size[0]):
        for x in range(size[1]):
            covered = np.s_[rows[y] : rows[y + 1], columns[x] : columns[x + 1]]
            known = label[covered] != 255
            kinds = set(label[covered].flat)
            assert small_label[y, x] == (1 if 1 in kinds else 0 if 0 in kinds else 255)
            assert small_scores[y, x] == max(scores[covered][known], default=-np.inf)


def test_the_mask_of_a_thumbnail_is_empty_only_where_that_of_the_image_is() -> None:
    scores = np.zeros((1000, 1000), np.float32)
    scores[333, 777] = 1
    small = shrink_scores(scores, np.zeros(scores.shape, np.uint8), (27, 27))
    assert np.count_nonzero(small >= 1) == 1


def test_files() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    with Image.open(io.BytesIO(png(levels))) as read:
        assert read.mode == "L" and np.array_equal(np.asarray(read), levels)
        # Nothing in the file may make a browser change a value.
        assert not {"gamma", "srgb", "icc_profile", "chromaticity"} & set(read.info)
    image = np.full((100, 300, 3), (200, 30, 90), np.uint8)
    with Image.open(io.BytesIO(jpeg(image, 60))) as read:
        assert read.size == (60, 20) and np.abs(np.asarray(read).astype(int) - image[0, 0]).max() < 6
