"""How scores of inliers and of anomalies are distributed, a method a panel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from anomaly_eval.metrics.histograms import ScoreHistogram
from anomaly_eval.reports.figures.panel_titles import with_fitting_titles
from anomaly_eval.reports.figures.style import (
    BLUE,
    ONE_COLUMN,
    TWO_COLUMNS,
    VERMILLION,
    new_figure,
    paper_style,
    percent,
)

_MOST_COLUMNS = 3
_HEIGHT, _LINE_HEIGHT = 1.7, 0.12


@paper_style()
def draw_histograms(histograms: Mapping[str, ScoreHistogram], width: float | None = None) -> Figure:
    """Return a panel for each method, by the name that readers see; both kinds of pixels sum to 100 %.

    width: in inches; by default one column for a single method, both for several. Raises ValueError where there is no
    histogram.
    """
    if not histograms:
        raise ValueError("there is no histogram to draw")
    states = list(histograms.values())
    return with_fitting_titles(lambda titles: _panels(titles, states, width), list(histograms), _MOST_COLUMNS)


def _panels(titles: Sequence[str], histograms: Sequence[ScoreHistogram], width: float | None) -> Figure:
    columns = min(len(histograms), _MOST_COLUMNS)
    rows = math.ceil(len(histograms) / columns)
    more_lines = max(title.count("\n") for title in titles)
    height = (_HEIGHT + _LINE_HEIGHT * more_lines) * rows + 0.2
    figure = new_figure(width or (ONE_COLUMN if columns == 1 else TWO_COLUMNS), height)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, title, histogram in zip(panels.flat, titles, histograms, strict=False):
        _add_shares(axes, histogram.inliers, histogram.edges, _INLIERS)
        _add_shares(axes, histogram.anomalies, histogram.edges, _ANOMALIES)
        axes.set(title=title, xlabel="anomaly score", xlim=(histogram.edges[0], histogram.edges[-1]))
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(percent))
    for axes in panels[:, 0]:
        axes.set_ylabel("share of pixels")
    for axes in panels.flat[len(histograms) :]:
        axes.set_axis_off()
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@dataclass(frozen=True)
class _Look:
    """How the pixels of one kind are drawn; hatches survive grey print."""

    label: str
    color: str
    linestyle: str
    hatch: str


_INLIERS = _Look("inliers", BLUE, "solid", "")
_ANOMALIES = _Look("anomalies", VERMILLION, "dashed", "/////")


def _add_shares(axes: Axes, counts: NDArray[np.int64], edges: NDArray[np.float64], look: _Look) -> None:
    """Fill a pale staircase."""
    axes.stairs(
        counts / max(1, int(counts.sum())),
        edges,
        fill=True,
        # Only the area is transparent: the outline stays whole.
        facecolor=(look.color, 0.2),
        edgecolor=look.color,
        linestyle=look.linestyle,
        hatch=look.hatch,
        linewidth=0.8,
        label=look.label,
    )
