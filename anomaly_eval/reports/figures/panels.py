"""Pictures in rows and columns without a gap wasted, at the exact width of a page's column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_eval.reports.figures.style import TITLE_POINTS, new_figure

_GAP = 0.03
_LINE = 0.125
"""Inches that a line of text takes."""
_CHARACTER = 0.58
"""Width of a letter by the size of its type, about."""
_LEAST_POINTS = 4.0


def panel_grid(
    aspects: Sequence[float], titles: Sequence[str], captions: Sequence[str], width: float, foot: float
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure `width` inches wide and its axes (rows, columns), without ticks.

    aspects: height by width of the pictures in each row. titles: above the columns, of one or more lines. captions: of
    the rows, written upwards on their left, or empty texts. foot: inches to keep free below.
    """
    rows, columns = len(aspects), len(titles)
    left = _LINE + _GAP if any(captions) else 0.0
    head = _LINE * max(1 + title.count("\n") for title in titles) + _GAP
    panel = (width - left - _GAP * (columns - 1)) / columns
    heights = [panel * aspect for aspect in aspects]
    total = head + sum(heights) + _GAP * (rows - 1) + foot
    figure = new_figure(width, total, constrained=False)
    axes = np.empty((rows, columns), dtype=object)
    bottom = total - head
    for row, height in enumerate(heights):
        bottom -= height + (_GAP if row else 0)
        for column in range(columns):
            x = left + column * (panel + _GAP)
            axes[row, column] = figure.add_axes((x / width, bottom / total, panel / width, height / total))
            _bare(axes[row, column])
        if captions[row]:
            points = _fitting(captions[row], height)
            axes[row, 0].set_ylabel(captions[row], fontsize=points, labelpad=2)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=min(_fitting(line, panel) for line in title.split("\n")), pad=2)
    return figure, axes


def show(axes: Axes, picture: NDArray[Any], **options: Any) -> None:
    """Fill the axes with a picture (h, w, 3), or with a map (h, w) in colours; pixels are smoothed, not dropped."""
    height, width = picture.shape[:2]
    axes.imshow(picture, extent=(0, width, height, 0), aspect="auto", **options)


def _bare(axes: Axes) -> None:
    axes.set(xticks=(), yticks=())
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _fitting(text: str, inches: float) -> float:
    """Return a size of type, in points, at which a line of text is about as long as it may be."""
    return max(_LEAST_POINTS, min(TITLE_POINTS, 72 * inches / (_CHARACTER * max(1, len(text)))))
