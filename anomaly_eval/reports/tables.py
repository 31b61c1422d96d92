"""The results as tables: CSV for programs, LaTeX, Markdown and the terminal for people."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from anomaly_eval.reports.closed_set import class_table_markdown, compare_closed_set, print_classes
from anomaly_eval.reports.comparison import ComparisonTable, compare
from anomaly_eval.reports.components_and_per_image import compare_components, compare_per_image
from anomaly_eval.reports.csv_files import csv_of
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.reports.operating_points import compare_operating_points
from anomaly_eval.reports.published import read_published, read_published_closed_set
from anomaly_eval.reports.terminal import print_comparison
from anomaly_eval.results.records import (
    ClosedSetClassRow,
    ClosedSetRow,
    ComponentRow,
    DifferenceRow,
    IntervalRow,
    OperatingRow,
    PerImageRow,
    Results,
    Row,
)


def write_tables(results: Results, folder: Path, with_published: bool) -> None:
    """Write the tables of what was evaluated: `results.*` of anomalies, `closed_set.*` of classes, both in Markdown."""
    tables = {"results.md": results_markdown(results, with_published)}
    if _is_ranked(results):
        tables |= {"results.csv": results_csv(results), "results.tex": results_latex(results, with_published)}
    if results.intervals:
        tables["intervals.csv"] = csv_of(IntervalRow, results.intervals)
    if results.differences:
        tables["differences.csv"] = csv_of(DifferenceRow, results.differences)
    if results.per_image:
        tables["per_image.csv"] = csv_of(PerImageRow, results.per_image)
        tables["per_image.tex"] = latex_table(compare_per_image(results))
    if results.components:
        tables["components.csv"] = csv_of(ComponentRow, results.components)
        tables["components.tex"] = latex_table(compare_components(results))
    if results.operating_points:
        tables["operating_points.csv"] = csv_of(OperatingRow, results.operating_points)
        tables["operating_points.tex"] = latex_table(compare_operating_points(results))
    if _has(results, "closed_set"):
        tables |= {
            "closed_set.csv": closed_set_csv(results),
            "closed_set_classes.csv": closed_set_classes_csv(results),
            "closed_set.tex": closed_set_latex(results, with_published),
        }
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")


def results_csv(results: Results) -> str:
    """Return the rows, with the fields of `Row` as columns; numbers read back are exactly those measured."""
    return csv_of(Row, results.rows)


def closed_set_csv(results: Results) -> str:
    """Return a row for each closed-set dataset, with the fields of `ClosedSetRow` as columns."""
    return csv_of(ClosedSetRow, results.closed_set)


def closed_set_classes_csv(results: Results) -> str:
    """Return a row for each class of each closed-set dataset, with the fields of `ClosedSetClassRow` as columns."""
    return csv_of(ClosedSetClassRow, results.closed_set_classes)


def results_latex(results: Results, with_published: bool) -> str:
    """Return a LaTeX table; with the paper's numbers where there are any for the same datasets."""
    return latex_table(_comparison(results, with_published))


def closed_set_latex(results: Results, with_published: bool) -> str:
    """Return a LaTeX table of the closed-set datasets; with the paper's numbers where there are any for the same."""
    return latex_table(_closed_set(results, with_published))


def results_markdown(results: Results, with_published: bool) -> str:
    """Return GitHub tables with footnotes and warnings: of anomalies, of closed-set datasets, and of their classes."""
    parts = []
    if _is_ranked(results):
        parts.append(markdown_table(_comparison(results, with_published)))
    parts += [markdown_table(table) for table in _more(results)]
    if _has(results, "closed_set"):
        parts += [markdown_table(_closed_set(results, with_published)), class_table_markdown(results)]
    return "\n".join(parts)


def print_results(console: Console, results: Results, with_published: bool, told: Collection[str] = ()) -> None:
    """Print the tables, their footnotes and their warnings, but those that were told before, to the console."""
    if _is_ranked(results):
        print_comparison(console, _comparison(results, with_published), told)
    for table in _more(results):
        print_comparison(console, table, told)
    if _has(results, "closed_set"):
        print_classes(console, results)
        print_comparison(console, _closed_set(results, with_published), told)


def _is_ranked(results: Results) -> bool:
    """Whether there is a table of how scores rank; without any anomaly there are thresholds alone."""
    return _has(results, "anomaly") and bool(results.rows or not results.operating_points)


def _has(results: Results, task: str) -> bool:
    return any(record.task == task for record in results.datasets)


def _comparison(results: Results, with_published: bool) -> ComparisonTable:
    """Arrange the results, beside the numbers that ship with the project if these are wanted."""
    return compare(results, read_published() if with_published else ())


def _more(results: Results) -> list[ComparisonTable]:
    """Arrange what was measured on request."""
    return [
        *([compare_per_image(results)] if results.per_image else []),
        *([compare_components(results)] if results.components else []),
        *([compare_operating_points(results)] if results.operating_points else []),
    ]


def _closed_set(results: Results, with_published: bool) -> ComparisonTable:
    """Arrange the closed-set results, beside the numbers that ship with the project if these are wanted."""
    return compare_closed_set(results, read_published_closed_set() if with_published else ())
