"""Drawn lines are the curves that were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.lines import Line2D

from anomaly_eval.metrics.curves import Curve
from anomaly_eval.metrics.rates import best_f1
from anomaly_eval.reports.figures.curves import draw_precision_recall, draw_roc, draw_threshold
from tests.anomaly_eval.reports.figures.drawn import curve, state, texts


def lines(figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].get_lines()}


@pytest.mark.parametrize("log_fpr", [False, True])
def test_roc(log_fpr: bool) -> None:
    curves = {"weak": curve(0.5), "strong": curve(2)}
    figure = draw_roc(curves, log_fpr)
    drawn = lines(figure)
    for name, given in curves.items():
        np.testing.assert_array_equal(drawn[name].get_xdata(), [0, *given.fpr, 1])
        np.testing.assert_array_equal(drawn[name].get_ydata(), [0, *given.tpr, 1])
    assert figure.axes[0].get_xscale() == ("log" if log_fpr else "linear")
    assert {"weak", "strong", "false-positive rate", "true-positive rate"} <= set(texts(figure))


def test_logarithmic_roc_begins_where_there_is_something_to_see() -> None:
    inliers, rates = np.array([3e-4, 0.02, 0.5]), np.array([0.2, 0.5, 1.0])
    seen = Curve(np.array([3.0, 2.0, 1.0]), tpr=rates, fpr=inliers, precision=rates)
    assert draw_roc({"seen": seen}, log_fpr=True).axes[0].get_xlim() == pytest.approx((1e-4, 1))
    unseen = Curve(np.array([3.0, 2.0, 1.0]), tpr=np.array([0.001, 0.5, 1.0]), fpr=inliers, precision=rates)
    assert draw_roc({"unseen": unseen}, log_fpr=True).axes[0].get_xlim() == pytest.approx((1e-2, 1))
    figure = draw_roc({"seen": seen}, log_fpr=True)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert {"10⁻⁴", "10⁻¹", "1"} <= set(labels)
    # Points without a false positive have no place on the axis, and no warning or error either.
    nothing = Curve(np.array([1.0]), tpr=np.ones(1), fpr=np.zeros(1), precision=np.ones(1))
    assert draw_roc({"perfect": nothing}, log_fpr=True).axes[0].get_xlim() == pytest.approx((0.1, 1))


def test_precision_and_recall_with_the_average_precision_below() -> None:
    given = curve(1)
    line = lines(draw_precision_recall({"one": given}))["one"]
    np.testing.assert_array_equal(line.get_xdata(), [0, *given.tpr])
    np.testing.assert_array_equal(line.get_ydata(), [given.precision[0], *given.precision])
    # Steps whose value is that of their right end sum to the average precision.
    assert line.get_drawstyle() == "steps-pre"


def test_a_precision_far_below_1_is_seen() -> None:
    low = Curve(
        np.arange(3.0)[::-1], tpr=np.array([0.1, 0.5, 1]), fpr=np.ones(3), precision=np.array([0.02, 0.04, 0.01])
    )
    assert draw_precision_recall({"low": low}).axes[0].get_ylim() == pytest.approx((0, 0.048))
    assert draw_precision_recall({"low": low, "high": curve(5)}).axes[0].get_ylim() == (0, 1)


def test_rates_against_the_threshold() -> None:
    given, chosen = curve(1), best_f1(state(1).counts()).threshold
    figure = draw_threshold(given, "max logit", chosen)
    drawn = lines(figure)
    for name, rate in {"precision": given.precision, "recall": given.tpr, "false-positive rate": given.fpr}.items():
        np.testing.assert_array_equal(drawn[name].get_xdata(), given.thresholds)
        np.testing.assert_array_equal(drawn[name].get_ydata(), rate)
    marks = [line for line in figure.axes[0].get_lines() if list(line.get_xdata()) == [chosen, chosen]]
    assert len(marks) == 1
    assert "threshold on max logit" in texts(figure)


def test_thresholds_that_are_infinite_or_all_the_same() -> None:
    rates = np.array([0.2, 0.5, 1.0])
    some = Curve(np.array([np.inf, 3.0, 3.0]), tpr=rates, fpr=rates, precision=rates)
    figure = draw_threshold(some)
    np.testing.assert_array_equal(lines(figure)["recall"].get_xdata(), [3, 3])
    low, high = figure.axes[0].get_xlim()
    assert low < 3 < high
    with pytest.raises(ValueError, match="no finite threshold"):
        draw_threshold(Curve(np.array([np.inf]), np.ones(1), np.ones(1), np.ones(1)))


def test_many_methods_are_named_below_the_chart() -> None:
    few = draw_roc({str(index): curve(1) for index in range(4)})
    many = draw_roc({str(index): curve(1) for index in range(9)})
    assert few.axes[0].get_legend() is not None and not few.legends
    assert many.axes[0].get_legend() is None and len(many.legends[0].get_texts()) == 9
    assert many.get_figheight() > few.get_figheight() and many.get_figwidth() == few.get_figwidth()


def test_nothing_to_draw() -> None:
    for draw in (draw_roc, draw_precision_recall):
        with pytest.raises(ValueError, match="no curve"):
            draw({})
