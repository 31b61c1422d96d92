"""Titles above panels that stand side by side: short enough that none meets the next one or leaves the figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from matplotlib.figure import Figure

from anomaly_eval.reports.figures.short_names import Split, fitting_names, with_short_runs, wrapped
from anomaly_eval.results.titles import without_run

_GAP = 0.01
"""Share of the figure's width between two titles."""
_LEAST_RUN = 10
"""Characters of a run in a title that is broken into lines."""


def with_fitting_titles(
    draw: Callable[[Sequence[str]], Figure], names: Sequence[str], columns: int, split: Split = without_run
) -> Figure:
    """Return what `draw` makes of titles, a panel each, in the longest form of the names that fits above the panels.

    columns: panels in a row, all but the last of which are full. split: divides a name into run and score.
    """
    probe = draw(names)
    # A second layout of a figure may differ from its first one, so that this one is only measured.
    probe.draw_without_rendering()
    fits = partial(_fit, probe, columns)
    titles = fitting_names(names, fits, split=split) or wrapped(with_short_runs(names, _LEAST_RUN, split), fits)
    return draw(titles)


def _fit(figure: Figure, columns: int, titles: Sequence[str]) -> bool:
    """Put titles above the panels; whether each ends before the next one, and the outer ones within the figure."""
    boxes = []
    titled = (axes for axes in figure.axes if axes.get_title())
    for axes, title in zip(titled, titles, strict=True):
        axes.set_title(title)
        boxes.append(axes.title.get_window_extent())
    rows = (boxes[first : first + columns] for first in range(0, len(boxes), columns))
    gap = _GAP * figure.bbox.width
    return all(
        row[0].x0 >= 0
        and row[-1].x1 <= figure.bbox.width
        and all(left.x1 + gap <= right.x0 for left, right in pairwise(row))
        for row in rows
    )
