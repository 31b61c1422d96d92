"""One look for all figures: sizes of a two-column page, colours for colour-blind readers, lines for grey print.

matplotlib's settings are global. They are changed within a lock and put back, and pyplot, which holds on to figures, is
never imported.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from anomaly_eval.reports.characters import shortened, with_known
from anomaly_eval.reports.figures.short_names import distinct, fitting_names
from anomaly_eval.results.titles import with_run, without_run

ONE_COLUMN, TWO_COLUMNS = 3.25, 6.875
"""Widths in inches of one column and of both columns of a conference's page."""

BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
BLUE, VERMILLION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"
"""The palette of Okabe and Ito, "Color universal design", 2008, without its yellow, which is faint on white."""
GREY = "#7f7f7f"

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK, SKY_BLUE)
# One more than colours, so that pairs repeat after all 56 only.
_LINES: tuple[Any, ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (5, 1.5, 1, 1.5, 1, 1.5)),
    (0, (8, 2)),
    (0, (1, 2)),
)

TITLE_POINTS, SMALL_POINTS = 7.0, 6.0
_LONGEST_NAME, _LEAST_RUN = 60, 12
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": TITLE_POINTS,
    "axes.titlesize": TITLE_POINTS,
    "axes.labelsize": TITLE_POINTS,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "legend.fontsize": SMALL_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    # A `$` or `_` in the name of a network means itself.
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.3,
    "grid.color": "#d9d9d9",
    "lines.linewidth": 1.0,
    "patch.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.3,
    "ytick.minor.width": 0.3,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "savefig.dpi": 300,
    # Type 42 fonts are embedded whole and can be searched; publishers refuse Type 3.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "pdf.compression": 9,
}
_LOCK = threading.RLock()


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw within this style, whatever the settings of the user are; also a decorator.

    Threads draw one after the other, as the settings are those of the whole process meanwhile.
    """
    with _LOCK, matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float, constrained: bool = True) -> Figure:
    """Return an empty figure of this size in inches, which no list of pyplot holds."""
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def legible(text: str) -> str:
    """Return a text without characters that the font of figures lacks, which are spelt out."""
    return with_known(text, lambda character: ord(character) in _characters())


def legend_names(names: Iterable[str]) -> dict[str, str]:
    """Return what a legend calls each of these names: legible, short enough, and never left out."""
    given = list(dict.fromkeys(names))
    parts = [without_run(legible(name)) for name in given]
    titles = shortened([title for _, title in parts], _LONGEST_NAME)
    whole = [with_run(run, titles[title]) for run, title in parts]
    short = fitting_names(whole, _are_short, least=_LEAST_RUN) or whole
    # matplotlib leaves out what begins with an underscore; the sign before it has no width.
    seen = distinct([f"\u200b{text}" if text.startswith("_") else text for text in short])
    return dict(zip(given, seen, strict=True))


def _are_short(names: Sequence[str]) -> bool:
    """Whether names are no longer than they may be, or only because of their scores."""
    return all(len(name) <= _LONGEST_NAME or len(without_run(name)[0]) < 2 * _LEAST_RUN for name in names)


@cache
def _characters() -> frozenset[int]:
    """Return the characters of the font of figures."""
    return frozenset(get_font(findfont(FontProperties(family=_STYLE["font.family"]))).get_charmap())


def percent(share: float, place: int | None = None) -> str:
    """Return a share in percent, as a label beside an axis; matplotlib also gives the place of the label."""
    return f"{100 * share:.6g} %"


def line_of(index: int) -> dict[str, Any]:
    """Return colour and dashes of the method with this place among all, different ones for 56 methods."""
    return dict(color=COLOURS[index % len(COLOURS)], linestyle=_LINES[index % len(_LINES)])
