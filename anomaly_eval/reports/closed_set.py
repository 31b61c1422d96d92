"""Closed-set results for people: a table of the datasets, as in the paper's Table 1, and one of their classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import MIOU
from anomaly_eval.reports.comparison import (
    PUBLISHED,
    UNKNOWN,
    ComparisonTable,
    Line,
    Section,
    apart,
    marked_titles,
    ranked_cells,
    values_of,
)
from anomaly_eval.reports.markdown import escape
from anomaly_eval.reports.notes import closed_set_notes_of, nothing_published, warnings_of
from anomaly_eval.reports.origins import origin_name
from anomaly_eval.reports.published import CLOSED_SET_SOURCE, PublishedClosedSetRow
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.records import ClosedSetClassRow, ClosedSetRow, Results
from anomaly_eval.results.titles import dataset_title
from anomaly_eval.runtime.console import UNWRAPPED

_CLASSES_PER_BLOCK = 25


def compare_closed_set(
    results: Results,
    published: Sequence[PublishedClosedSetRow] = (),
    networks: Mapping[str, Sequence[ClosedSetRow]] | None = None,
    models: Mapping[str, Origin] | None = None,
    runs: Mapping[str, Origin] | None = None,
    rows_behind: Mapping[str, Sequence[ClosedSetRow]] | None = None,
) -> ComparisonTable:
    """Arrange what was measured, and above it the published rows that have a value for one of the datasets.

    networks, models: the rows of several networks by name, and which networks they are, where `results` are those of
    more than one run; runs, rows_behind: the networks behind rows that are means over runs, and the rows of all runs by
    what the means are called.
    """
    names = list(dict.fromkeys(row.dataset for row in results.closed_set))
    shown = [row for row in published if any(name in row.miou for name in names)]
    networks = networks or {origin_name(results.provenance.model): results.closed_set}
    metrics = registry.CLOSED_SET
    settings = ("Backbone",) if shown else ()
    unknown = (UNKNOWN,) * len(settings)
    whose = {network: {row.dataset: row.whose_protocol for row in rows} for network, rows in networks.items()}
    groups, sections = apart(whose), []
    for group in groups:
        values = [{row.dataset: values_of(row.metrics, metrics) for row in networks[network]} for network in group]
        measured = ranked_cells([[found.get(name) for name in names] for found in values], metrics)
        own = tuple(Line(network, "", unknown, cells) for network, cells in zip(group, measured, strict=True))
        tested = dict.fromkeys(text for network in group for text in whose[network].values())
        title = f"test settings of the {' or '.join(tested)}" if len(groups) > 1 else ""
        sections.append(Section(": ".join(filter(None, ["Measured" if shown else "", title])), own))
    if shown:
        known = [[{MIOU.key: row.miou[name]} if name in row.miou else {} for name in names] for row in shown]
        cells = ranked_cells([[values_of(found, metrics) for found in line] for line in known], metrics)
        lines = (Line(row.method, "", (row.backbone,), line) for row, line in zip(shown, cells, strict=True))
        sections.insert(0, Section(PUBLISHED, tuple(lines)))
    notes = closed_set_notes_of(results, bool(shown), rows_behind or networks, models, runs)
    if published and not shown:
        notes = (*notes, nothing_published(results, names, CLOSED_SET_SOURCE))
    return ComparisonTable(
        subject="Closed-set segmentation",
        metrics=metrics,
        datasets=marked_titles(results, names),
        names=tuple(names),
        settings=settings,
        sections=tuple(sections),
        notes=notes,
        warnings=warnings_of(results, "closed_set"),
    )


def class_table_markdown(results: Results) -> str:
    """Return a GitHub table of all classes for each dataset."""
    lines: list[str] = []
    for title, rows in _by_dataset(results):
        heads = ["Class", *(escape(metric.title) for metric in registry.CLASSES)]
        lines += [f"Classes of {escape(title)}, in percent:", ""]
        lines += [f"| {' | '.join(heads)} |", f"| --- |{' --: |' * len(registry.CLASSES)}"]
        lines += [f"| {' | '.join([escape(row.name), *_numbers(row)])} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def print_classes(console: Console, results: Results) -> None:
    """Print the classes of each dataset: on a terminal in blocks beside each other, elsewhere one in a line."""
    for title, rows in _by_dataset(results):
        console.print(Text(f"Classes of {title}"))
        size = len(rows) if console.width == UNWRAPPED else _CLASSES_PER_BLOCK
        console.print(Columns([_block(rows[start : start + size]) for start in range(0, len(rows), size)]))


def _block(rows: Sequence[ClosedSetClassRow]) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, header_style="", padding=(0, 1))
    drawn.add_column("Class", no_wrap=True)
    for metric in registry.CLASSES:
        drawn.add_column(metric.title, justify="right", no_wrap=True)
    for row in rows:
        drawn.add_row(Text(row.name), *_numbers(row))
    return drawn


def _by_dataset(results: Results) -> list[tuple[str, list[ClosedSetClassRow]]]:
    """Return the title and the classes of each dataset."""
    return [
        (
            dataset_title(found.dataset, results.datasets),
            [row for row in results.closed_set_classes if row.dataset == found.dataset],
        )
        for found in results.closed_set
    ]


def _numbers(row: ClosedSetClassRow) -> list[str]:
    """Return the metrics of a class as they are read, `--` for one without a value."""
    values = [(metric.unit.digits, row.metrics.get(metric.key, math.nan)) for metric in registry.CLASSES]
    return [UNKNOWN if math.isnan(value) else f"{value:.{digits}f}" for digits, value in values]
