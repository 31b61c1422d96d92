"""The comparison in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly_eval.metrics.registry import Metric
from anomaly_eval.reports.comparison import Cell, ComparisonTable, Line, Rank
from anomaly_eval.runtime.console import UNWRAPPED

_STYLE = {Rank.BEST: "bold", Rank.SECOND: "underline", Rank.OTHER: ""}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# Room for "100.00" or "FPR95 ↓", and a space: one width for all columns where it is enough.
_CELL_WIDTH = 8


def print_comparison(console: Console, table: ComparisonTable, told: Collection[str] = ()) -> None:
    """Print the table, its footnotes and its warnings, but those that were told before.

    Datasets that do not fit beside each other are printed below each other, so that no number is ever cut.
    """
    table = table.in_little_room()
    for part in _parts(table, console.width):
        forms = [terminal_table(table, part), terminal_table(table, part, narrow=True)]
        # A console narrower than one dataset wraps the lines itself.
        console.print(next((form for form in forms if _width(form) <= console.width), forms[0]), soft_wrap=True)
    for note in table.notes:
        mark = f"{note.mark.translate(_SUPERSCRIPT)} " if note.mark else ""
        console.print(Text(f"{mark}{note.text}"), style="dim")
    for warning in (text for text in table.warnings if text not in told):
        console.print(Text.assemble(("Warning: ", "yellow"), warning))


def terminal_table(table: ComparisonTable, datasets: Sequence[int], narrow: bool = False) -> Table:
    """Return a table of the datasets with these indices; one column per dataset holds all its metrics.

    narrow: titles of sections are broken into lines where they are longer than the names of methods.
    """
    room = _spread_width(table)
    widths = {index: _widths(table, index) for index in datasets}
    headings = {index: [_heading(metric) for metric in table.metrics_of(index)] for index in datasets}
    # One more line where a heading is of several words.
    above = "\n" * (2 if any(first for own in headings.values() for first, _ in own) else 1)
    drawn = Table(box=box.SIMPLE_HEAD, header_style="", padding=(0, 1))
    drawn.add_column(f"{above}Method", no_wrap=True)
    for setting in table.settings:
        drawn.add_column(f"{above}{setting}", justify="right", no_wrap=True)
    for index in datasets:
        firsts, lasts = (
            "".join(word.rjust(width + room) for word, width in zip(words, widths[index], strict=True))
            for words in zip(*headings[index], strict=True)
        )
        title = str(table.datasets[index]).center(len(lasts))
        lines = [title, firsts, lasts] if len(above) > 1 else [title, lasts]
        drawn.add_column(Text("\n".join(lines)), justify="right", no_wrap=True)
    for section in table.sections:
        shown = [line for line in section.lines if _has_number(line, datasets)]
        if not shown:
            continue
        drawn.add_section()
        if section.title:
            title = _in_lines(section.title, [line.name for line in shown]) if narrow else section.title
            drawn.add_row(Text(title, style="italic"))
        for line in shown:
            drawn.add_row(*_line(line, widths, room))
    drawn.width = _width(drawn)
    return drawn


def _has_number(line: Line, datasets: Sequence[int]) -> bool:
    """Whether a method was measured on one of the datasets."""
    return any(cell.value is not None for index in datasets for cell in line.cells[index])


def _width(drawn: Table) -> int:
    """Return the width in characters at which no cell is cut, whatever the width of the console."""
    return Console(width=UNWRAPPED).measure(drawn).maximum


def _parts(table: ComparisonTable, width: int) -> list[list[int]]:
    """Divide the datasets, in their order, into as few tables as the width in characters allows."""
    parts: list[list[int]] = [[]]
    for index in range(len(table.datasets)):
        longer = [*parts[-1], index]
        if parts[-1] and _width(terminal_table(table, longer)) > width:
            parts.append([index])
        else:
            parts[-1] = longer
    return parts


def _spread_width(table: ComparisonTable) -> int:
    """Return how many characters the longest deviation or interval takes, with a space before it; 0 without any."""
    cells = (cell for section in table.sections for line in section.lines for row in line.cells for cell in row)
    longest = max((len(cell.spread_text) for cell in cells), default=0)
    return 1 + longest if longest else 0


def _heading(metric: Metric[Any]) -> tuple[str, str]:
    """Return the heading in two lines; the first is empty where the title is one word."""
    first, _, _ = metric.title.rpartition(" ")
    return first, metric.heading.removeprefix(first).strip()


def _widths(table: ComparisonTable, index: int) -> list[int]:
    """Return how many characters the columns of a dataset take: the usual ones each, or what each needs."""
    cells = [line.cells[index] for section in table.sections for line in section.lines]
    texts = [
        [*_heading(metric), *(row[place].text for row in cells)] for place, metric in enumerate(table.metrics_of(index))
    ]
    needed = [1 + max(map(len, column)) for column in texts]
    if max(needed) <= _CELL_WIDTH:
        return [_CELL_WIDTH] * len(needed)
    # Before the first one there is room between the columns.
    return [needed[0] - 1, *needed[1:]]


def _in_lines(title: str, names: Sequence[str]) -> str:
    """Break the title of a section where it is longer than the names below it and all its words."""
    return textwrap.fill(title, max(map(len, [*names, *title.split()])), break_long_words=False)


def _line(line: Line, widths: Mapping[int, Sequence[int]], room: int) -> list[Text]:
    """Return the row of one method."""
    name = Text(line.name + line.mark.translate(_SUPERSCRIPT))
    settings = [Text(setting) for setting in line.settings]
    return [name, *settings, *(_cells(line.cells[index], own, room) for index, own in widths.items())]


def _cells(cells: Sequence[Cell], widths: Sequence[int], room: int) -> Text:
    """Return the numbers side by side, the best bold and the second underlined, and what stands beside them."""
    text = Text()
    for cell, width in zip(cells, widths, strict=True):
        text.append(" " * (width - len(cell.text)))
        text.append(cell.text, style=_STYLE[cell.rank])
        text.append(f" {cell.spread_text}".ljust(room) if room else "", style="dim")
    return text
