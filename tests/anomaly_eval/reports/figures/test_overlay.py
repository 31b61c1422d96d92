"""Overlays show the image where scores are low, heat where they are high, and a line around the unknown."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from anomaly_eval.reports.figures.class_picture import ClassPalette
from anomaly_eval.reports.figures.overlay import draw_overlay


def test_heat_covers_the_image_as_scores_rise():
    image = np.full((4, 6, 3), 100, np.uint8)
    scores = np.array([[-np.inf, 0, 5, 10, np.inf, np.nan]] * 4, np.float32)
    picture = draw_overlay(image, scores, (0, 10))
    np.testing.assert_array_equal(picture[:, [0, 1, 5]], image[:, :3])
    hottest = 255 * np.array(colormaps["inferno"](255)[:3])
    np.testing.assert_allclose(picture[0, 3], 0.3 * 100 + 0.7 * hottest, atol=1)
    np.testing.assert_array_equal(picture[:, 3], picture[:, 4])
    assert (picture[0, 2] != image[0, 2]).any()


def test_the_unknown_is_outlined_and_else_nothing_changes():
    image = np.full((40, 40, 3), 100, np.uint8)
    scores, unknown = np.zeros((40, 40), np.float32), np.zeros((40, 40), bool)
    unknown[10:30, 10:30] = True
    picture = draw_overlay(image, scores, (0, 1), unknown)
    assert (picture[10, 10:30] > 200).all() and (picture[20, 8] < 100).all()
    np.testing.assert_array_equal(picture[15:25, 15:25], image[15:25, 15:25])
    np.testing.assert_array_equal(picture[:5], image[:5])
    np.testing.assert_array_equal(draw_overlay(image, scores, (0, 1), np.zeros_like(unknown)), image)


def test_classes_keep_their_values_and_the_unknown_is_white(tmp_path):
    palette = ClassPalette(["road", "sky", "car"], with_unknown=True)
    values = np.array([[0, 1], [2, 3]], np.uint8)
    (tmp_path / "classes.png").write_bytes(palette.png(values))
    with Image.open(tmp_path / "classes.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), values)
        colours = np.asarray(picture.convert("RGB"))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 4
    assert tuple(colours[1, 1]) == (255, 255, 255)
    assert palette.legend_csv().splitlines()[-1] == "3,unknown,255,255,255"
    with pytest.raises(ValueError, match="256 values"):
        ClassPalette([str(index) for index in range(256)], with_unknown=True)
