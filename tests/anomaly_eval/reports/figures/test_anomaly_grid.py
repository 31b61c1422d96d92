"""Grids of score maps: a panel for all that was given, and one colour scale for each method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from anomaly_eval.reports.figures.anomaly_grid import ComparedImage, common_scales, draw_anomaly_grid
from anomaly_eval.reports.figures.saving import file_of
from tests.anomaly_eval.reports.figures.drawn import compared, pixels, texts


def panels(figure: Figure) -> list:
    """The axes that show a picture, in rows from the top."""
    return [axes for axes in figure.axes if axes.images]


def test_a_panel_for_every_image_label_and_method() -> None:
    figure = draw_anomaly_grid([compared(0), compared(1), compared(2)])
    assert len(panels(figure)) == 3 * 4
    assert [axes.get_title() for axes in panels(figure)[:4]] == ["image", "anomaly", "one", "two"]
    np.testing.assert_array_equal(panels(figure)[0].images[0].get_array(), compared().image)


def test_a_method_has_one_scale_in_all_rows() -> None:
    images = [compared(0), compared(5)]
    drawn = panels(draw_anomaly_grid(images))
    for column, method in ((2, "one"), (3, "two")):
        values = np.concatenate([shown.scores[method][shown.label != 255] for shown in images])
        expected = np.percentile(values.astype(np.float64), [1, 99])
        for axes, shown in zip((drawn[column], drawn[4 + column]), images, strict=True):
            picture = axes.images[0]
            np.testing.assert_allclose([picture.norm.vmin, picture.norm.vmax], expected, rtol=1e-6)
            np.testing.assert_array_equal(picture.get_array(), shown.scores[method])
    # Were each image stretched to its own range, a shift would not be seen.
    same, shifted = (pixels(draw_anomaly_grid([compared(0), compared(shift)])).astype(int) for shift in (0, 5))
    assert np.abs(same - shifted).mean() > 5


def test_a_scale_can_be_given() -> None:
    figure = draw_anomaly_grid([compared()], scales={"one": (0, 10), "two": (-10, 0)})
    assert panels(figure)[2].images[0].norm.vmax == 10
    assert {"0", "10", "−10"} <= set(texts(figure))  # noqa: RUF001  (a minus)


def test_the_label_shows_anomaly_void_and_the_image_in_grey() -> None:
    shown = compared()
    picture = np.asarray(panels(draw_anomaly_grid([shown]))[1].images[0].get_array()).astype(int)
    assert (picture[shown.label == 1] == [213, 94, 0]).all()
    assert (picture[shown.label == 255] == 130).all()
    inliers = picture[shown.label == 0]
    assert (inliers == inliers[:, :1]).all() and inliers.min() >= 127


def test_outlines_keep_off_the_anomaly_and_can_be_left_out() -> None:
    big = compared(size=(256, 512))
    with_outline, without = (draw_anomaly_grid([big], outline=outline) for outline in (True, False))
    for drawn, expected in ((with_outline, [0, 1, 1, 1]), (without, [0, 0, 0, 0])):
        assert [len(axes.collections) for axes in panels(drawn)] == expected
    (line,) = panels(with_outline)[2].collections
    (path,) = line.get_paths()
    # The anomaly fills x from 20 to 40 and y from 10 to 20.
    outside = (
        (path.vertices[:, 0] < 19) | (path.vertices[:, 0] > 41) | (path.vertices[:, 1] < 9) | (path.vertices[:, 1] > 21)
    )
    assert outside.all()
    nothing = replace(big, label=np.zeros_like(big.label))
    assert not panels(draw_anomaly_grid([nothing]))[2].collections


def test_rows_are_captioned_and_titles_may_have_two_lines() -> None:
    shown = compared(caption="best")
    named = replace(shown, scores={"a network of a very long name\nMSP": shown.scores["one"]})
    figure = draw_anomaly_grid([named])
    assert {"best", "a network of a very long name\nMSP"} <= set(texts(figure))
    assert panels(figure)[0].get_ylabel() == "best"
    assert figure.get_figwidth() == draw_anomaly_grid([compared()]).get_figwidth()


def test_images_of_other_sizes_keep_their_shape() -> None:
    figure = draw_anomaly_grid([compared(), compared(size=(64, 64))])
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in panels(figure)]
    assert boxes[0].height * height / (boxes[0].width * width) == pytest.approx(0.5)
    assert boxes[4].height * height / (boxes[4].width * width) == pytest.approx(1)


def test_scores_that_are_all_the_same_or_no_numbers() -> None:
    shown = compared()
    size = shown.label.shape
    scores = {"flat": np.full(size, 3, np.float32), "none": np.full(size, np.nan, np.float32)}
    odd = replace(shown, scores=scores)
    assert common_scales([odd]) == {"flat": (1.5, 4.5), "none": (0, 1)}
    assert pixels(draw_anomaly_grid([odd])).size


def test_large_images_are_drawn_small_and_the_file_stays_small() -> None:
    rng = np.random.default_rng(0)
    label = np.zeros((1024, 2048), np.uint8)
    noise = rng.integers(0, 256, (1024, 2048, 3), dtype=np.uint8)
    large = ComparedImage(noise, label, {"one": rng.standard_normal((1024, 2048)).astype(np.float32)})
    figure = draw_anomaly_grid([large] * 5)
    assert panels(figure)[0].images[0].get_array().shape == (512, 1024, 3)
    # Even noise, which cannot be compressed, takes a few megabytes.
    assert len(file_of(figure, "pdf")) < 10e6


def test_nothing_to_draw_or_other_methods() -> None:
    with pytest.raises(ValueError, match="no image"):
        draw_anomaly_grid([])
    with pytest.raises(ValueError, match="same methods"):
        draw_anomaly_grid([compared(), replace(compared(), scores={})])
