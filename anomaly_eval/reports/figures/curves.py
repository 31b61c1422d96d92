"""Curves of rates: ROC, precision and recall, and all three rates against the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from anomaly_eval.metrics.curves import Curve
from anomaly_eval.reports.figures.legends import add_legend
from anomaly_eval.reports.figures.short_names import fitting_names, wrapped
from anomaly_eval.reports.figures.style import GREY, ONE_COLUMN, line_of, new_figure, paper_style

_LEAST_FPR = 1e-5
"""Where a logarithmic axis begins at the latest."""
_SEEN = 0.01
"""Share of the anomalies below which a curve is still the noise of a few pixels."""
_TAIL = 1e-3
_WIDEST_LABEL = 0.8
"""Share of the figure's width that the label below the axis may take."""


@paper_style()
def draw_roc(curves: Mapping[str, Curve], log_fpr: bool = False, width: float = ONE_COLUMN) -> Figure:
    """Return ROC curves by the names that readers see, from (0, 0) to (1, 1), with the line of chance.

    log_fpr: a logarithmic axis for the false-positive rate, which shows what happens at the few that a user bears; in
    steps, as a straight line between distant points would be a wrong one there. Raises ValueError where there is no
    curve.
    """
    figure, axes = _chart(curves, width, 0.8 if log_fpr else 0.92)
    chance = np.geomspace(_LEAST_FPR, 1, 200) if log_fpr else np.array([0.0, 1.0])
    axes.plot(chance, chance, color=GREY, linewidth=0.5, linestyle="dotted")
    for index, (name, curve) in enumerate(curves.items()):
        fpr, tpr = _between(0, curve.fpr, 1), _between(0, curve.tpr, 1)
        axes.plot(fpr, tpr, drawstyle="steps-post" if log_fpr else "default", label=name, **line_of(index))
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 1), ylim=(0, 1))
    if log_fpr:
        axes.set_xscale("log")
        axes.set_xlim(_least_decade(curves), 1)
        axes.xaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        axes.xaxis.set_major_locator(LogLocator(numticks=12))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_aspect("equal")
    add_legend(figure, axes, "upper left" if log_fpr else "lower right")
    return figure


@paper_style()
def draw_precision_recall(curves: Mapping[str, Curve], width: float = ONE_COLUMN) -> Figure:
    """Return precision-recall curves by the names that readers see, in steps, under which the average precision lies.

    Raises ValueError where there is no curve.
    """
    figure, axes = _chart(curves, width, 0.8)
    for index, (name, curve) in enumerate(curves.items()):
        recall = np.concatenate([[0.0], curve.tpr])
        precision = np.concatenate([curve.precision[:1], curve.precision])
        axes.plot(recall, precision, drawstyle="steps-pre", label=name, **line_of(index))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, _top(curves)))
    add_legend(figure, axes, "upper right")
    return figure


@paper_style()
def draw_threshold(
    curve: Curve, score: str = "score", threshold: float | None = None, width: float = ONE_COLUMN
) -> Figure:
    """Return precision, recall and false-positive rate of one method against the threshold on its score.

    score: what readers call it. threshold: one that was chosen, marked by a line. Both ends of the axis leave out a
    thousandth of the anomalies. Raises ValueError where no threshold is finite.
    """
    finite = np.isfinite(curve.thresholds)
    if not finite.any():
        raise ValueError("there is no finite threshold to draw")
    figure, axes = _chart({score: curve}, width, 0.7)
    rates = {"precision": curve.precision, "recall": curve.tpr, "false-positive rate": curve.fpr}
    thresholds = np.asarray(curve.thresholds, np.float64)
    for index, (name, rate) in enumerate(rates.items()):
        axes.plot(thresholds[finite], rate[finite], label=name, **line_of(index))
    if threshold is not None:
        axes.axvline(threshold, color=GREY, linewidth=0.6)
    axes.set(ylabel="rate", ylim=(0, 1))
    _add_label(axes, score)
    axes.set_xlim(*_limits(thresholds[finite], curve.tpr[finite]))
    figure.legend(loc="outside upper center", ncols=len(rates))
    return figure


def _chart(curves: Mapping[str, Curve], width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure `height` times as high as wide, with its axes."""
    if not curves:
        raise ValueError("there is no curve to draw")
    figure = new_figure(width, height * width)
    return figure, figure.subplots()


def _add_label(axes: Axes, score: str) -> None:
    """Say whose thresholds they are, in no more than the width of the figure."""

    def fits(names: Sequence[str]) -> bool:
        label = axes.set_xlabel(f"threshold on {names[0]}")
        return label.get_window_extent().width <= _WIDEST_LABEL * axes.figure.bbox.width

    if not fitting_names([score], fits):
        wrapped([score], fits)


def _between(first: float, values: NDArray[np.float64], last: float) -> NDArray[np.float64]:
    return np.concatenate([[first], values, [last]])


def _least_decade(curves: Mapping[str, Curve]) -> float:
    """Return the power of ten below which no curve shows anything: at or below the first rate with some anomalies."""
    rates = [curve.fpr[(curve.fpr > 0) & (curve.tpr >= _SEEN)] for curve in curves.values()]
    smallest = np.concatenate(rates).min(initial=0.1)
    return max(_LEAST_FPR, float(10.0 ** math.floor(math.log10(smallest))))


def _power_of_ten(value: float, place: int | None = None) -> str:
    """Return 1 or 10 with an exponent in plain characters: mathematical type would need another font."""
    exponent = str(round(math.log10(value)))
    return "1" if exponent == "0" else "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _top(curves: Mapping[str, Curve]) -> float:
    """Return the upper end of the precision, which is far below 1 where anomalies are rare and hard to find."""
    highest = max(float(curve.precision[curve.tpr >= _SEEN].max(initial=0)) for curve in curves.values())
    return 1.0 if highest > 0.5 else max(1e-3, 1.2 * highest)


def _limits(thresholds: NDArray[np.float64], recall: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the axis, some distance apart even for a single threshold."""
    shown = thresholds[(recall >= _TAIL) & (recall <= 1 - _TAIL)]
    for some in (shown, thresholds):
        if len(some) and some.max() > some.min():
            return float(some.min()), float(some.max())
    middle = float(thresholds[0])
    return middle - max(1.0, abs(middle)) / 2, middle + max(1.0, abs(middle)) / 2
