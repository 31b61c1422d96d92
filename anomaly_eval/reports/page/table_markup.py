"""A table of the page, whatever it is about, as HTML that a click on a header sorts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from anomaly_eval.reports.comparison import UNKNOWN, Rank
from anomaly_eval.reports.page.markup import escape

_CLASSES = {Rank.BEST: "best", Rank.SECOND: "second", Rank.OTHER: ""}


@dataclass(frozen=True)
class Column:
    """A column: its title, what stands above it and its neighbours, and how its first click sorts."""

    title: str
    group: str = ""
    numeric: bool = True
    falling_first: bool = True
    """Whether the first click puts the largest on top."""


@dataclass(frozen=True)
class TableCell:
    """What is read, and what is sorted by: a number, or None where there is none; texts are sorted as such."""

    text: str
    value: float | None = None
    rank: Rank = Rank.OTHER
    small: str = ""
    """Said smaller behind the text: an interval."""
    mark: str = ""
    """A footnote's mark."""


@dataclass(frozen=True)
class PageTable:
    """A table; sections, a title each or none, are sorted each by itself."""

    caption: str
    columns: Sequence[Column]
    sections: Sequence[tuple[str, Sequence[Sequence[TableCell]]]]
    notes: Sequence[str] = ()


def rate_cell(value: float | None, digits: int = 2) -> TableCell:
    """Return a percentage; `--` where there is none."""
    if value is None or math.isnan(value):
        return TableCell(UNKNOWN)
    return TableCell(f"{value:.{digits}f}", value)


def count_cell(value: int | None) -> TableCell:
    """Return a count, in groups of three digits."""
    return TableCell(UNKNOWN) if value is None else TableCell(f"{value:,}", value)


def table_markup(table: PageTable) -> str:
    """Return the table, its caption and its notes as HTML."""
    bodies = "".join(_body(title, rows, table.columns) for title, rows in table.sections)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<div><div class="table" tabindex="0" role="region" aria-label="{escape(table.caption)}">'
        f"<table><caption>{escape(table.caption)}</caption>"
        f"<thead>{_groups(table.columns)}<tr>{''.join(map(_header, table.columns))}</tr></thead>{bodies}</table></div>"
        + (f"<details class='notes'><summary>Notes</summary><ul>{notes}</ul></details>" if notes else "")
        + "</div>\n"
    )


def _groups(columns: Sequence[Column]) -> str:
    """Return the row above the headers, where there is something to say in it."""
    if not any(column.group for column in columns):
        return ""
    cells = []
    for group, members in groupby(columns, key=lambda column: column.group):
        kind = ' class="group" scope="colgroup"' if group else ""
        cells.append(f'<th{kind} colspan="{len(list(members))}">{escape(group)}</th>')
    return f"<tr>{''.join(cells)}</tr>"


def _header(column: Column) -> str:
    order = "descending" if column.falling_first else "ascending"
    kind = ' class="number"' if column.numeric else ""
    return (
        f'<th{kind} scope="col" aria-sort="none" data-first="{order}">'
        f'<button type="button">{escape(column.title)}</button></th>'
    )


def _body(title: str, rows: Sequence[Sequence[TableCell]], columns: Sequence[Column]) -> str:
    head = f'<tr class="section"><th colspan="{len(columns)}">{escape(title)}</th></tr>' if title else ""
    lines = "".join(f"<tr>{''.join(map(_cell, row, columns))}</tr>" for row in rows)
    return f"<tbody>{head}{lines}</tbody>"


def _cell(cell: TableCell, column: Column) -> str:
    mark = f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    small = f" <small>{escape(cell.small)}</small>" if cell.small else ""
    if not column.numeric:
        return f"<td>{escape(cell.text)}{mark}{small}</td>"
    # NaN and infinities have no place in an order of numbers that readers expect.
    known = cell.value is not None and math.isfinite(cell.value)
    value = f' data-value="{cell.value!r}"' if known else ""
    kind = _CLASSES[cell.rank]
    text = f'<span class="{kind}">{escape(cell.text)}</span>' if kind else escape(cell.text)
    return f'<td class="number"{value}>{text}{mark}{small}</td>'
