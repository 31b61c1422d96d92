"""Reliability diagrams side by side: accuracy against confidence, and how confident the pixels are (Fig. 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from anomaly_eval.metrics.reliability import ReliabilityBins, expected_calibration_error
from anomaly_eval.reports.figures.panel_titles import with_fitting_titles
from anomaly_eval.reports.figures.short_names import run_alone
from anomaly_eval.reports.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ONE_COLUMN,
    TWO_COLUMNS,
    VERMILLION,
    new_figure,
    paper_style,
    percent,
)

_MOST_IN_A_COLUMN, _MOST_COLUMNS = 2, 4
_LINE_HEIGHT = 0.14
"""Inches that each further line of a title takes."""
_RATIO, _HIGHEST = 1.45, 3.0
"""Height of one diagram by its width, and the most inches that it may have."""


@paper_style()
def draw_reliability(
    diagrams: Mapping[str, ReliabilityBins], of_class: str | None = None, width: float | None = None
) -> Figure:
    """Return a diagram for each network, by the name that readers see, with the calibration error of its bins.

    Above: the accuracy of the pixels in each bin, and its distance to their mean confidence shaded, with a dot at both;
    an empty bin has neither. Below: the share of all pixels in each bin. diagrams: bins of equal width, of equal mass,
    or those of one class, which is then named by `of_class`. width: in inches; by default one column for up to two
    diagrams, both for more. Raises ValueError where there is no diagram.
    """
    if not diagrams:
        raise ValueError("there is no diagram to draw")
    bins = list(diagrams.values())
    return with_fitting_titles(
        lambda titles: _panels(titles, bins, of_class, width), list(diagrams), _columns(bins), run_alone
    )


def _columns(diagrams: Sequence[ReliabilityBins]) -> int:
    return min(len(diagrams), _MOST_COLUMNS)


def _panels(
    titles: Sequence[str], diagrams: Sequence[ReliabilityBins], of_class: str | None, width: float | None
) -> Figure:
    columns = _columns(diagrams)
    rows = math.ceil(len(diagrams) / columns)
    width = width or (ONE_COLUMN if columns <= _MOST_IN_A_COLUMN else TWO_COLUMNS)
    more_lines = max(title.count("\n") for title in titles)
    height = min(_RATIO * width / columns, _HIGHEST) + _LINE_HEIGHT * more_lines
    figure = new_figure(width, height * rows + 0.25)
    axes = figure.subplots(2 * rows, columns, height_ratios=(3, 1) * rows, squeeze=False)
    pairs = [(axes[2 * row, column], axes[2 * row + 1, column]) for row in range(rows) for column in range(columns)]
    for (upper, lower), title, bins in zip(pairs, titles, diagrams, strict=False):
        _add_accuracy(upper, bins)
        _add_shares(lower, bins)
        upper.set(title=title, xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.25, 0.5, 0.75, 1))
        lower.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        lower.set_xlabel("confidence" if of_class is None else f"probability of {of_class}")
        upper.tick_params(labelbottom=False)
    for row in axes[:, 1:]:
        for inner in row:
            inner.tick_params(labelleft=False)
    for upper, lower in zip(axes[::2, 0], axes[1::2, 0], strict=True):
        upper.set_ylabel("accuracy" if of_class is None else f"share of {of_class}")
        lower.set_ylabel("pixels")
        lower.yaxis.set_major_formatter(FuncFormatter(percent))
    for pair in pairs[len(diagrams) :]:
        for unused in pair:
            unused.set_axis_off()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _add_accuracy(axes: Axes, bins: ReliabilityBins) -> None:
    filled = bins.counts > 0
    left, width = bins.edges[:-1][filled], np.diff(bins.edges)[filled]
    accuracy, confidence = bins.accuracy[filled], bins.confidence[filled]
    axes.bar(
        left, accuracy, width, align="edge", color=BLUE, alpha=0.6, edgecolor="white", linewidth=0.4, label="accuracy"
    )
    axes.bar(
        left,
        confidence - accuracy,
        width,
        bottom=accuracy,
        align="edge",
        # Only the area is transparent: the outline stays whole.
        facecolor=(VERMILLION, 0.2),
        edgecolor=VERMILLION,
        hatch="/////",
        linewidth=0.4,
        label="gap to the confidence",
    )
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="dashed", linewidth=0.6)
    # Bins of equal mass are often too narrow for their bars to be seen.
    axes.plot(confidence, accuracy, linestyle="none", marker="o", markersize=1.6, color=BLACK, clip_on=False)
    text = f"ECE {100 * expected_calibration_error(bins):.2f} %" if filled.any() else "no pixel"
    axes.text(
        0.95,
        0.05,
        text,
        ha="right",
        transform=axes.transAxes,
        bbox=dict(facecolor="white", edgecolor="none", alpha=0.9, pad=1.5),
    )


def _add_shares(axes: Axes, bins: ReliabilityBins) -> None:
    shares = bins.counts / max(1, int(bins.counts.sum()))
    axes.bar(bins.edges[:-1], shares, np.diff(bins.edges), align="edge", color=GREY, edgecolor="white", linewidth=0.4)
