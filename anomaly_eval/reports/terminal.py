"""The comparison in the terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly_eval.reports.comparison import Cell, ComparisonTable, Line, Rank
from anomaly_eval.runtime.console import UNWRAPPED

_STYLE = {Rank.BEST: "bold", Rank.SECOND: "underline", Rank.OTHER: ""}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# Room for "100.00" or "FPR95 ↓", and a space.
_CELL_WIDTH = 8


def print_comparison(console: Console, table: ComparisonTable, told: Collection[str] = ()) -> None:
    """Print the table, its footnotes and its warnings, but those that were told before.

    Datasets that do not fit beside each other are printed below each other, so that no number is ever cut.
    """
    table = table.in_little_room()
    for part in _parts(table, console.width):
        # A console narrower than one dataset wraps the lines itself.
        console.print(terminal_table(table, part), soft_wrap=True)
    for note in table.notes:
        mark = f"{note.mark.translate(_SUPERSCRIPT)} " if note.mark else ""
        console.print(Text(f"{mark}{note.text}"), style="dim")
    for warning in (text for text in table.warnings if text not in told):
        console.print(Text.assemble(("Warning: ", "yellow"), warning))


def terminal_table(table: ComparisonTable, datasets: Sequence[int]) -> Table:
    """Return a table of the datasets with these indices; one column per dataset holds all its metrics."""
    room = _spread_width(table)
    width = max(_CELL_WIDTH, *(1 + len(metric.heading) for metric in table.metrics))
    drawn = Table(box=box.SIMPLE_HEAD, header_style="", padding=(0, 1))
    drawn.add_column("\nMethod", no_wrap=True)
    for setting in table.settings:
        drawn.add_column(f"\n{setting}", justify="right", no_wrap=True)
    for index in datasets:
        metrics = "".join(metric.heading.rjust(width + room) for metric in table.metrics_of(index))
        header = Text(f"{str(table.datasets[index]).center(len(metrics))}\n{metrics}")
        drawn.add_column(header, justify="right", no_wrap=True)
    for section in table.sections:
        lines = [line for line in section.lines if _has_number(line, datasets)]
        if not lines:
            continue
        drawn.add_section()
        if section.title:
            drawn.add_row(Text(section.title, style="italic"))
        for line in lines:
            drawn.add_row(*_line(line, datasets, width, room))
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


def _line(line: Line, datasets: Sequence[int], width: int, room: int) -> list[Text]:
    """Return the row of one method."""
    name = Text(line.name + line.mark.translate(_SUPERSCRIPT))
    settings = [Text(setting) for setting in line.settings]
    return [name, *settings, *(_cells(line.cells[index], width, room) for index in datasets)]


def _cells(cells: Sequence[Cell], width: int, room: int) -> Text:
    """Return the numbers side by side, the best bold and the second underlined, and what stands beside them."""
    text = Text()
    for cell in cells:
        text.append(" " * (width - len(cell.text)))
        text.append(cell.text, style=_STYLE[cell.rank])
        text.append(f" {cell.spread_text}".ljust(room) if room else "", style="dim")
    return text
