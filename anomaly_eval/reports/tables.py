"""The results as tables: CSV for programs, LaTeX, Markdown and the terminal for people."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from anomaly_eval.reports.comparison import ComparisonTable, compare
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.reports.published import read_published
from anomaly_eval.reports.terminal import print_comparison
from anomaly_eval.results import Results, Row


def results_csv(results: Results) -> str:
    """Return the rows, with the fields of `Row` as columns; numbers read back are exactly those measured."""
    text = io.StringIO()
    writer = csv.DictWriter(text, Row.model_fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in results.rows)
    return text.getvalue()


def results_latex(results: Results, with_published: bool) -> str:
    """Return a LaTeX table; with the paper's numbers where there are any for the same datasets."""
    return latex_table(_comparison(results, with_published))


def results_markdown(results: Results, with_published: bool) -> str:
    """Return a GitHub table with footnotes and warnings."""
    return markdown_table(_comparison(results, with_published))


def print_results(console: Console, results: Results, with_published: bool) -> None:
    """Print the table, its footnotes and its warnings to the console."""
    print_comparison(console, _comparison(results, with_published))


def _comparison(results: Results, with_published: bool) -> ComparisonTable:
    """Arrange the results, beside the numbers that ship with the project if these are wanted."""
    return compare(results, read_published() if with_published else ())
