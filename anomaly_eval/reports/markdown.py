"""The comparison as a GitHub table."""

from __future__ import annotations

import re

from anomaly_eval.reports.comparison import Cell, ComparisonTable, Line, Rank

# GitHub removes <u> but keeps <ins>, which browsers underline.
_WRAP = {Rank.BEST: "**%s**", Rank.SECOND: "<ins>%s</ins>", Rank.OTHER: "%s"}
# Only where Markdown would read a meaning into the character: the text stays readable in the source.
_SPECIAL = re.compile(r"([\\`*\[\]<|~]|^[#>+-]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))")


def escape(text: str) -> str:
    """Return the text on one line such that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown_table(table: ComparisonTable) -> str:
    """Return the table, the footnotes and the warnings."""
    table = table.in_little_room()
    numbers = [
        f"{escape(str(dataset))} {escape(metric.heading)}"
        for index, dataset in enumerate(table.datasets)
        for metric in table.metrics_of(index)
    ]
    lines = [
        _row(["Method", *table.settings, *numbers]),
        _row(["---", *[":-:"] * len(table.settings), *["--:"] * len(numbers)]),
    ]
    for section in table.sections:
        if section.title:
            lines.append(_row([f"*{escape(section.title)}*", *[""] * (len(table.settings) + len(numbers))]))
        lines += map(_line, section.lines)
    lines += [
        "",
        f"{table.unit}; {_WRAP[Rank.BEST] % 'best'}, {_WRAP[Rank.SECOND] % 'second'}.",
        "",
    ]
    lines += [" ".join(filter(None, ["-", _mark(note.mark), escape(note.text)])) for note in table.notes]
    if table.warnings:
        lines += ["", "Warnings:", "", *(f"- {escape(warning)}" for warning in table.warnings)]
    return "\n".join([*lines, ""])


def _line(line: Line) -> str:
    """Return the row of one method."""
    cells = [_cell(cell) for cells in line.cells for cell in cells]
    return _row([escape(line.name) + _mark(line.mark), *line.settings, *cells])


def _cell(cell: Cell) -> str:
    """Return the number, bold where it is the best and underlined where it is the second, and what stands beside it."""
    return " ".join(filter(None, [_WRAP[cell.rank] % cell.text, escape(cell.spread_text)]))


def _mark(mark: str) -> str:
    """Return the raised mark of a footnote, or nothing where there is none."""
    return f"<sup>{mark}</sup>" if mark else ""


def _row(cells: list[str]) -> str:
    """Join the cells of one row."""
    return f"| {' | '.join(cells)} |"
