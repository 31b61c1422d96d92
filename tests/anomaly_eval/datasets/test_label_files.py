"""Pictures of labels are told from photos by their few colours."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_eval.datasets.images import read_photo
from anomaly_eval.datasets.label_files import looks_like_labels
from tests.shared_data import shared_data


def painted(classes: int, *, coloured: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, (100, 120))
    palette = rng.integers(0, 256, (classes, 3)) if coloured else np.arange(classes)[:, None].repeat(3, axis=1)
    return palette[labels].astype(np.uint8)


@pytest.mark.parametrize("coloured", [False, True])
def test_few_colours_are_labels(coloured: bool) -> None:
    assert looks_like_labels(painted(2, coloured=coloured)) and looks_like_labels(painted(19, coloured=coloured))
    assert not looks_like_labels(painted(200, coloured=coloured))


def test_a_few_pixels_are_anything() -> None:
    assert not looks_like_labels(painted(2, coloured=False)[:16, :16])


def test_one_photo_with_many_colours_in_one_place_is_no_picture_of_labels() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[1:40:8, 1:120:2] = painted(200, coloured=True)[:5, :60]
    assert not looks_like_labels(image)


@pytest.mark.parametrize("dataset", ["road_anomaly", "smiyc_road_anomaly21", "camvid", "cityscapes_256"])
def test_real_photos_and_real_labels(dataset: str) -> None:
    folder = shared_data() / dataset
    pictures = sorted(path for path in folder.rglob("*") if path.is_file())[::17]
    of_labels = [any(part in ("labels_masks", "annotations") for part in path.parts) for path in pictures]
    assert True in of_labels and False in of_labels
    assert [looks_like_labels(read_photo(path)) for path in pictures] == of_labels
