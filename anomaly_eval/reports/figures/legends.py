"""Legends of curves, which never leave the figure: a few names in the chart, more below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from anomaly_eval.reports.figures.short_names import fitting_names, with_short_runs, without_shared, wrapped

_MOST_INSIDE = 4
_WIDEST_INSIDE = 0.75
"""Share of the figure's width that a legend within the chart may take."""
_MANY, _MOST_LINES = 10, 12
"""Curves beyond which there are as many columns as fit, and lines that a single column of whole names may have."""
_LEAST_RUN = 10
"""Characters of a run that several columns leave at least."""
_COLUMN, _LINE_HEIGHT = 1.3, 0.13
"""Inches that a column usually takes, and a line."""


def add_legend(figure: Figure, axes: Axes, place: Literal["upper left", "upper right", "lower right"]) -> None:
    """Name a few curves in the chart's emptiest corner, and many or wide names below it, where the figure grows."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) <= _MOST_INSIDE:
        legend = axes.legend(loc=place)
        if any(_fits(legend, form, _WIDEST_INSIDE) for form in (names, without_shared(names))):
            return
        legend.remove()
    lines = _add_below(figure, handles, names)
    figure.set_figheight(figure.get_figheight() + _LINE_HEIGHT * lines)


def _add_below(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> int:
    """Add a legend below the chart, whole names in few columns before cut ones in many, and return its lines."""
    usual = max(1, round(figure.get_figwidth() / _COLUMN))
    most = 2 * usual if len(names) > _MANY else usual
    forms = (names, without_shared(names))
    plans = [(columns, form) for form in forms for columns in range(most, usual - 1, -1)]
    few = [columns for columns in range(usual - 1, 0, -1) if math.ceil(len(names) / columns) <= _MOST_LINES]
    for columns, form in [*plans, *((columns, form) for columns in few for form in forms)]:
        legend = _legend_below(figure, handles, columns)
        if _fits(legend, form):
            return math.ceil(len(names) / columns)
        legend.remove()
    for columns in range(usual, 0, -1):
        legend = _legend_below(figure, handles, columns)
        if fitting_names(names, partial(_fits, legend), least=_LEAST_RUN if columns > 1 else 1):
            return math.ceil(len(names) / columns)
        legend.remove()
    broken = wrapped(with_short_runs(names, _LEAST_RUN), partial(_fits, _legend_below(figure, handles, 1)))
    return sum(1 + name.count("\n") for name in broken)


def _legend_below(figure: Figure, handles: Sequence[Artist], columns: int) -> Legend:
    labels = [str(handle.get_label()) for handle in handles]
    return figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _fits(legend: Legend, names: Sequence[str], share: float = 1.0) -> bool:
    """Put the names into a legend; whether it takes no more than this share of the figure's width."""
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    figure = legend.get_figure(root=True)
    return figure is not None and legend.get_window_extent().width <= share * figure.bbox.width
