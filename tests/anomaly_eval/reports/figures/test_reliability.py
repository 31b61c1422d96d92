"""Bars of reliability diagrams are the accuracies of the bins, and the shaded gaps end at the confidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from anomaly_eval.metrics.calibration import CalibrationMetrics
from anomaly_eval.metrics.reliability import ReliabilityBins
from anomaly_eval.reports.figures.reliability import draw_reliability
from anomaly_eval.reports.figures.style import paper_style
from tests.anomaly_eval.metrics.calibrated import calibration_metrics
from tests.anomaly_eval.reports.figures.drawn import pixels, texts


@pytest.fixture(scope="module")
def metrics() -> CalibrationMetrics:
    """Three classes, with confidences in most but not all bins."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((3, 60, 60))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=0)
    return calibration_metrics(probabilities, rng.integers(0, 3, (60, 60), dtype=np.uint8))


def bars(axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def check(axes, bins: ReliabilityBins) -> None:
    filled: NDArray[np.bool_] = bins.counts > 0
    drawn = bars(axes)
    accuracy, gaps = drawn[: filled.sum()], drawn[filled.sum() :]
    np.testing.assert_allclose([bar.get_height() for bar in accuracy], bins.accuracy[filled])
    np.testing.assert_allclose([bar.get_x() for bar in accuracy], bins.edges[:-1][filled])
    np.testing.assert_allclose([bar.get_width() for bar in accuracy], np.diff(bins.edges)[filled])
    np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in gaps], bins.confidence[filled])
    np.testing.assert_allclose([bar.get_y() for bar in gaps], bins.accuracy[filled])


def test_bins_of_equal_width_of_equal_mass_and_of_a_class(metrics: CalibrationMetrics) -> None:
    assert np.isnan(metrics.reliability.accuracy).any()
    diagrams = {
        "width": metrics.reliability,
        "mass": metrics.adaptive_reliability,
        "of 2": metrics.class_reliability[2],
    }
    figure = draw_reliability(diagrams)
    upper, lower = figure.axes[:3], figure.axes[3:]
    for axes, (name, bins) in zip(upper, diagrams.items(), strict=True):
        assert axes.get_title() == name
        check(axes, bins)
    for axes, bins in zip(lower, diagrams.values(), strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in bars(axes)], bins.counts / bins.counts.sum())
    found = texts(figure)
    for error in (metrics.ece, metrics.adaptive_ece, metrics.class_ece[2]):
        assert f"ECE {100 * error:.2f} %" in found


def test_a_class_is_named(metrics: CalibrationMetrics) -> None:
    found = texts(draw_reliability({"net": metrics.class_reliability[1]}, of_class="traffic_light"))
    assert {"probability of traffic_light", "share of traffic_light"} <= set(found)


def test_many_networks_go_on_in_further_rows(metrics: CalibrationMetrics) -> None:
    figure = draw_reliability({f"net {index}": metrics.reliability for index in range(5)})
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 10
    assert [axes.get_title() for axes in shown if axes.get_title()] == [f"net {index}" for index in range(5)]


def test_bins_without_a_pixel() -> None:
    nothing = np.full(2, np.nan)
    empty = ReliabilityBins(np.array([0, 0.5, 1]), np.zeros(2, np.int64), confidence=nothing, accuracy=nothing)
    figure = draw_reliability({"empty": empty})
    assert "no pixel" in texts(figure) and bars(figure.axes[0]) == []
    with pytest.raises(ValueError, match="no diagram"):
        draw_reliability({})


def test_a_gap_between_confidence_and_accuracy_is_seen() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[:, 20:] = 1
    sure = np.stack([np.full((40, 40), 0.95), np.full((40, 40), 0.05)])
    honest = np.stack([np.full((40, 40), 0.51), np.full((40, 40), 0.49)])
    wrong, right = calibration_metrics(sure, label), calibration_metrics(honest, label)
    shaded = {}
    for name, found in {"sure": wrong, "honest": right}.items():
        # Below the legend, the shade of the gap: more red than blue.
        drawn = pixels(draw_reliability({name: found.reliability})).astype(int)[150:]
        shaded[name] = (drawn[..., 0] - drawn[..., 2] > 40).sum()
    assert shaded["sure"] > 10 * shaded["honest"]


SHIPPED = ("gmmseg_efficientnet-lite0_cityscapes", "softmax_efficientnet-lite0_cityscapes")


@pytest.mark.parametrize(
    "names",
    [SHIPPED, SHIPPED[:1], [f"{name}_{seed}" for name in SHIPPED for seed in range(3)], ["W" * 60, "W" * 61, "x"]],
)
def test_titles_lie_within_the_figure_and_apart(metrics: CalibrationMetrics, names: Sequence[str]) -> None:
    figure = draw_reliability(dict.fromkeys(names, metrics.reliability))
    with paper_style():
        figure.draw_without_rendering()
    titles = [axes.title for axes in figure.axes if axes.get_title()]
    assert len({title.get_text() for title in titles}) == len(names)
    (legend,) = figure.legends
    boxes = [text.get_window_extent() for text in (*titles, legend)]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_what_two_networks_share_is_left_out_of_titles(metrics: CalibrationMetrics) -> None:
    figure = draw_reliability(dict.fromkeys(SHIPPED, metrics.reliability))
    assert [axes.get_title() for axes in figure.axes[:2]] == ["gmmseg", "softmax"]
