"""Staircases of inliers and anomalies are the shares that were counted."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from anomaly_eval.metrics.histograms import ScoreHistogram
from anomaly_eval.reports.figures.histograms import draw_histograms
from tests.anomaly_eval.reports.figures.drawn import state, texts

SMALL = ScoreHistogram(np.array([0.0, 1, 2]), inliers=np.array([30, 10]), anomalies=np.array([1, 4]))


def steps(axes) -> dict[str, StepPatch]:
    return {str(patch.get_label()): patch for patch in axes.patches if isinstance(patch, StepPatch)}


def test_shares_of_both_kinds() -> None:
    (axes,) = draw_histograms({"MSP": SMALL}).axes
    drawn = steps(axes)
    np.testing.assert_array_equal(drawn["inliers"].get_data().values, [0.75, 0.25])
    np.testing.assert_array_equal(drawn["anomalies"].get_data().values, [0.2, 0.8])
    np.testing.assert_array_equal(drawn["anomalies"].get_data().edges, [0, 1, 2])
    # Told apart without colours.
    assert drawn["anomalies"].get_hatch() and not drawn["inliers"].get_hatch()
    assert axes.get_xlim() == (0, 2)


def test_a_panel_for_each_method() -> None:
    figure = draw_histograms({f"method {index}": state(index).histogram(20) for index in range(4)})
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == [f"method {index}" for index in range(4)]
    assert len(figure.axes) == 6
    assert texts(figure).count("inliers") == 1


def test_no_pixel_of_a_kind_and_no_histogram() -> None:
    none = ScoreHistogram(SMALL.edges, SMALL.inliers, np.zeros(2, np.int64))
    np.testing.assert_array_equal(steps(draw_histograms({"x": none}).axes[0])["anomalies"].get_data().values, [0, 0])
    with pytest.raises(ValueError, match="no histogram"):
        draw_histograms({})
