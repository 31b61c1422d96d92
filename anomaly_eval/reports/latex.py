"""The comparison as a LaTeX table in the layout of the paper's Tables 1 and 2."""

from __future__ import annotations

import re

from anomaly_eval.reports.comparison import Cell, ComparisonTable, Line, Rank
from anomaly_eval.reports.latex_characters import escape
from anomaly_eval.reports.notes import DAGGER

_READ_AFTER_A_ROW = ("[", "*")
_UNFIT_FOR_LABEL = re.compile(r"[^a-z0-9]+")
_WRAP = {Rank.BEST: r"\textbf{%s}", Rank.SECOND: r"\underline{%s}", Rank.OTHER: "%s"}
# Classes define the environment, so that it is missing only where the file is compiled by itself.
_ALONE_BEFORE = (
    r"\ifcsname table\endcsname",
    r"  \def\endalone{}",
    r"\else",
    r"  \def\endalone{\end{document}}",
    r"  \documentclass{article}",
)
_ALONE_BEGIN = (r"  \begin{document}", r"\fi")
_ALONE_AFTER = (r"\endalone",)
# Shrinks a table that is wider than the text and leaves others as they are.
_FIT_WIDTH = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def latex_table(table: ComparisonTable, label: str | None = None) -> str:
    r"""Return a `table` environment that compiles alone, and by \input where the packages it names are loaded.

    label: what its \label begins with, before its subject, for papers with several tables of one subject.
    """
    table = table.in_little_room()
    packages = ["booktabs", "graphicx", *(["amssymb"] if table.settings else [])]
    preamble = rf"\usepackage{{{','.join(packages)}}}"
    columns = "l" + "c" * (
        len(table.settings) + sum(len(table.metrics_of(index)) for index in range(len(table.datasets)))
    )
    subject = _UNFIT_FOR_LABEL.sub("-", table.subject.lower()).strip("-")
    titles = ", ".join(escape(dataset.title) for dataset in table.datasets)
    return "\n".join(
        [
            f"% By \\input it needs in the preamble: {preamble}",
            *(f"% Warning: {' '.join(warning.split())}" for warning in table.warnings),
            *_ALONE_BEFORE,
            rf"  {preamble}",
            *_ALONE_BEGIN,
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{escape(table.subject)} ({titles}). {escape(table.unit)}.}}",
            rf"\label{{tab:{'-'.join(filter(None, [label, subject]))}}}",
            r"\smallskip",
            _FIT_WIDTH,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *_header(table),
            *_body(table, len(columns)),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
            *(rf"{_mark(note.mark)}{escape(note.text)}\par" for note in table.notes),
            r"\end{minipage}",
            r"\end{table}",
            *_ALONE_AFTER,
            "",
        ]
    )


def _header(table: ComparisonTable) -> list[str]:
    """Return the line of datasets, the rules below it, and the line of metrics."""
    before = 1 + len(table.settings)
    metrics: list[str] = []
    groups, rules, start = [""] * before, [], before + 1
    for index, dataset in enumerate(table.datasets):
        width = len(table.metrics_of(index))
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(str(dataset))}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        metrics += [metric.heading for metric in table.metrics_of(index)]
        start += width
    names = ["Method", *table.settings, *metrics]
    return [_row(groups), "".join(rules), _row([escape(name) for name in names]), r"\midrule"]


def _body(table: ComparisonTable, n_columns: int) -> list[str]:
    """Return the lines of all sections, with a rule between two sections."""
    lines: list[str] = []
    for index, section in enumerate(table.sections):
        if index:
            lines.append(r"\midrule")
        if section.title:
            lines.append(rf"\multicolumn{{{n_columns}}}{{l}}{{\emph{{{escape(section.title)}}}}} \\")
        lines += map(_line, section.lines)
    return lines


def _line(line: Line) -> str:
    """Return the row of one method."""
    cells = [_cell(cell) for cells in line.cells for cell in cells]
    return _row([escape(line.name) + _mark(line.mark), *map(escape, line.settings), *cells])


def _cell(cell: Cell) -> str:
    """Return the number, bold where it is the best and underlined where it is the second, and what stands beside it."""
    spread = cell.spread_text.replace("±", r"$\pm$")
    return _WRAP[cell.rank] % cell.text + (rf" {{\scriptsize {spread}}}" if spread else "")


def _mark(mark: str) -> str:
    """Return the raised mark of a footnote, or nothing where there is none."""
    if not mark:
        return ""
    return escape(mark) if mark == DAGGER else f"$^{{{mark}}}$"


def _row(cells: list[str]) -> str:
    """Join the cells of one row."""
    # What ends the row before would take the first character for an argument of its own.
    guard = "{}" if cells[0].startswith(_READ_AFTER_A_ROW) else ""
    return rf"{guard}{' & '.join(cells)} \\"
