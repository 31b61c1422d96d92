"""Grids of classes: in the colours of the dataset, wrong pixels in full colour, differences framed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from anomaly_eval.reports.figures.class_grid import SegmentedImage, coloured, draw_class_grid
from anomaly_eval.reports.figures.palettes import class_colours
from tests.anomaly_eval.reports.figures.drawn import texts

CLASSES = ("sky", "building", "road", "vegetation", "car")


def segmented() -> SegmentedImage:
    """Two classes beside each other; the second network has a square of the first one wrong."""
    label = np.zeros((64, 128), np.uint8)
    label[:, 64:] = 1
    label[:4] = 255
    right = label.copy()
    right[:4] = 0
    wrong = right.copy()
    wrong[20:40, 10:30] = 4
    return SegmentedImage(np.full((64, 128, 3), 90, np.uint8), label, {"A": right, "B": wrong})


def panels(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.images]


def picture(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_panels_in_the_colours_of_the_classes() -> None:
    shown = segmented()
    drawn = panels(draw_class_grid([shown, shown], CLASSES))
    assert len(drawn) == 2 * 4
    assert [axes.get_title() for axes in drawn[:4]] == ["image", "label", "A", "B"]
    colours = class_colours(CLASSES)
    label = picture(drawn[1])
    for value in (0, 1):
        assert (label[shown.label == value] == colours[value]).all()
    assert (label[shown.label == 255] == 0).all()


def test_wrong_pixels_stand_out_of_pale_right_ones() -> None:
    shown, colours = segmented(), class_colours(CLASSES)
    drawn = picture(panels(draw_class_grid([shown], CLASSES))[3])
    assert (drawn[20:40, 10:30] == colours[4]).all()
    pale = (colours[0] * 0.3 + 255 * 0.7).astype(np.uint8)
    assert (drawn[50:, :64] == pale).all()
    assert (drawn[:4] == 0).all()
    plain = picture(panels(draw_class_grid([shown], CLASSES, mark_wrong=False))[3])
    np.testing.assert_array_equal(plain, colours[shown.predictions["B"]])
    np.testing.assert_array_equal(coloured(shown.predictions["B"], colours), plain)


def test_differences_are_framed_in_all_panels() -> None:
    def boxes(figure: Figure) -> list[set[tuple[float, ...]]]:
        return [
            {(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches}
            for axes in panels(figure)
            if all(isinstance(patch, Rectangle) for patch in axes.patches)
        ]

    shown = segmented()
    # Cells are 2 pixels wide, and so is the margin.
    assert boxes(draw_class_grid([shown], CLASSES)) == [{(8, 18, 24, 24)}] * 4
    assert boxes(draw_class_grid([shown], CLASSES, frames=0)) == [set()] * 4
    agreeing = replace(shown, predictions={"A": shown.predictions["A"], "B": shown.predictions["A"]})
    assert boxes(draw_class_grid([agreeing], CLASSES)) == [set()] * 4


def test_classes_that_occur_are_named_below() -> None:
    figure = draw_class_grid([segmented()], CLASSES)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["sky", "building", "car", "void"]
    patch = legend.get_patches()[2]
    assert [round(255 * part) for part in patch.get_facecolor()[:3]] == class_colours(CLASSES)[4].tolist()
    assert any("pale where right" in text for text in texts(figure))
    plain = draw_class_grid([segmented()], CLASSES, mark_wrong=False)
    assert not any("pale" in text for text in texts(plain))


def test_of_many_classes_the_most_frequent_are_named() -> None:
    label = np.arange(100, dtype=np.uint8).repeat(100).reshape(100, 100)
    label[label == 70] = 69
    shown = SegmentedImage(np.zeros((100, 100, 3), np.uint8), label, {"A": label})
    names = [f"class {index}" for index in range(100)]
    (legend,) = draw_class_grid([shown], names).legends
    found = [text.get_text() for text in legend.get_texts()]
    assert len(found) == 33 and found[-1] == "void" and "class 69" in found


def test_large_images_are_drawn_small() -> None:
    label = np.zeros((1024, 2048), np.uint8)
    shown = SegmentedImage(np.zeros((1024, 2048, 3), np.uint8), label, {"A": label})
    for axes in panels(draw_class_grid([shown], CLASSES)):
        assert picture(axes).shape == (512, 1024, 3)


def test_nothing_to_draw_other_networks_and_unknown_classes() -> None:
    with pytest.raises(ValueError, match="no image"):
        draw_class_grid([], CLASSES)
    with pytest.raises(ValueError, match="same networks"):
        draw_class_grid([segmented(), replace(segmented(), predictions={})], CLASSES)
    with pytest.raises(ValueError, match="4 classes, but pixels of class 4"):
        draw_class_grid([segmented()], CLASSES[:4])
