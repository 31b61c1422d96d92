"""The table that every rendering shows: which methods and datasets, in which order, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import Metric
from anomaly_eval.reports.characters import shortened
from anomaly_eval.reports.notes import DAGGER, Note, deviations, fit_marks, notes_of, nothing_published, warnings_of
from anomaly_eval.reports.published import SOURCE, PublishedRow
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import dataset_title, method_name

Metrics = Sequence[Metric[Any]]
UNKNOWN = "--"
_LONGEST_NAME = 80
PUBLISHED = "Published"
PUBLISHED_WITH_MORE = "Published, with resynthesis or OOD data"


class Rank(Enum):
    """What a cell is among the comparable cells of its column."""

    BEST = "best"
    SECOND = "second"
    OTHER = "other"


@dataclass(frozen=True)
class Cell:
    """A number, None where the method was not measured on the dataset, its rank, and its interval, if any.

    deviation: the standard deviation over the runs that the number is a mean of, None where it is of one.
    """

    value: float | None
    rank: Rank
    interval: tuple[float, float] | None = None
    digits: int = 2
    deviation: float | None = None

    @property
    def text(self) -> str:
        """The number with its decimals, or `--` where there is no value."""
        return UNKNOWN if self.value is None else f"{self.value:.{self.digits}f}"

    @property
    def spread_text(self) -> str:
        """What stands beside the number: `± 0.31`, `[12.3, 56.8]` or both, empty where there is neither."""
        deviation = "" if self.deviation is None else f"± {self.deviation:.{self.digits}f}"
        interval = "" if self.interval is None else f"[{self.interval[0]:.1f}, {self.interval[1]:.1f}]"
        return " ".join(filter(None, [deviation, interval]))


@dataclass(frozen=True)
class Line:
    """One method.

    mark: the footnote that says what a fitted score was fitted on; empty for the others. settings: the texts
    under `ComparisonTable.settings`. cells: for each dataset one cell per metric.
    """

    name: str
    mark: str
    settings: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Section:
    """Lines that are ranked among themselves; the title is empty where there is only one section.

    point, learnt_on: what the thresholds of the lines were chosen for and on which dataset; empty without thresholds.
    """

    title: str
    lines: tuple[Line, ...]
    point: str = ""
    learnt_on: str = ""


@dataclass(frozen=True)
class DatasetTitle:
    """What a dataset is called, and the mark of its footnote: a dagger where the images are not the whole set's."""

    title: str
    mark: str = ""

    def __str__(self) -> str:
        return self.title + self.mark


@dataclass(frozen=True)
class ComparisonTable:
    """All that a rendering needs.

    subject: what was measured, for the caption. metrics: those in the cells of one dataset. settings: headers of the
    columns between the methods and the numbers; published lines fill them, and without those there are none.
    """

    subject: str
    metrics: Metrics
    datasets: tuple[DatasetTitle, ...]
    settings: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[Note, ...]
    warnings: tuple[str, ...]
    unit: str = "All numbers in percent"
    other_metrics: Mapping[int, Metrics] = field(default_factory=dict)
    """Those of datasets, by their index, that have other cells than `metrics`."""

    names: tuple[str, ...] = ()
    """Canonical names of the datasets, in the order of their titles; empty where nothing asks for them."""

    def metrics_of(self, dataset: int) -> Metrics:
        """Return the metrics in the cells of the dataset with this index."""
        return self.other_metrics.get(dataset, self.metrics)

    def in_little_room(self) -> ComparisonTable:
        """Return the table with long names of methods and datasets cut in their middle, and written out in notes."""
        titles = [one.title for one in self.datasets]
        names = [line.name for section in self.sections for line in section.lines]
        short = shortened([*titles, *names], _LONGEST_NAME)
        cut = {name: text for name, text in short.items() if name != text}
        if not cut:
            return self
        return replace(
            self,
            datasets=tuple(replace(one, title=short[one.title]) for one in self.datasets),
            sections=tuple(
                replace(section, lines=tuple(replace(line, name=short[line.name]) for line in section.lines))
                for section in self.sections
            ),
            notes=(*self.notes, *(Note("", f"{text} is {name}.") for name, text in cut.items())),
        )


def compare(
    results: Results, published: Sequence[PublishedRow] = (), models: Mapping[str, Origin] | None = None
) -> ComparisonTable:
    """Arrange measured rows, and above them the published rows that have a value for one of the datasets.

    models: the networks by run, where `results` are those of several. Rows are ranked within their section: published
    ones that needed more than others are no rivals of these.
    """
    names = _datasets(results)
    shown = [row for row in published if any(name in row.metrics for name in names)]
    settings = ("Resyn.", "OOD data", "mIoU") if shown else ()
    metrics = registry.RANKING
    values = {(row.method, row.dataset): values_of(row.metrics, metrics) for row in results.rows}
    bounds = {(row.method, row.dataset, row.metric): (row.low, row.high) for row in results.intervals}
    intervals = {place: [bounds.get((*place, metric.key)) for metric in metrics] for place in values}
    measured = measured_lines(results, values, metrics, names, settings, intervals)
    sections: tuple[Section, ...] = (Section("Measured" if shown else "", measured),)
    with_more = [row for row in shown if row.resynthesis or row.ood_data]
    for title, rows in ((PUBLISHED, [row for row in shown if row not in with_more]), (PUBLISHED_WITH_MORE, with_more)):
        if rows:
            sections = (Section(title, _published(rows, names)), *sections)
    notes = notes_of(results, bool(shown), models)
    if published and not shown:
        notes = (*notes, nothing_published(results, names, SOURCE))
    return ComparisonTable(
        subject="Anomaly segmentation",
        metrics=metrics,
        datasets=marked_titles(results, names),
        names=tuple(names),
        settings=settings,
        sections=sections,
        notes=notes,
        warnings=warnings_of(results, "anomaly"),
    )


def marked_titles(results: Results, names: Sequence[str]) -> tuple[DatasetTitle, ...]:
    """Return the titles of datasets, marked where the images are not those of the whole set."""
    different = {record.name for record in results.datasets if deviations(record)}
    titles = ((name, dataset_title(name, results.datasets)) for name in names)
    return tuple(DatasetTitle(title, DAGGER if name in different else "") for name, title in titles)


def ranks(values: Sequence[float | None], higher_is_better: bool) -> list[Rank]:
    """Rank the values of a column: the best and the second-best distinct finite value.

    Equal values share a rank. A lone value is not ranked.
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if len(finite) < 2:
        return [Rank.OTHER] * len(values)
    order = sorted(set(finite), reverse=higher_is_better)
    rank_of: dict[float | None, Rank] = dict(zip(order, (Rank.BEST, Rank.SECOND), strict=False))
    return [rank_of.get(value, Rank.OTHER) for value in values]


def values_of(found: Mapping[str, float] | Mapping[str, float | None], metrics: Metrics) -> list[float | None]:
    """Return what was found of each metric; None where it is missing, as in files from before it was there."""
    return [found.get(metric.key) for metric in metrics]


def _datasets(results: Results) -> list[str]:
    """Return the canonical names of the datasets in the order of their records."""
    ranked = [record.name for record in results.datasets if record.task == "anomaly"]
    names = ranked + [row.dataset for row in results.rows]
    return list(dict.fromkeys(names))


def measured_lines(
    results: Results,
    values: Mapping[tuple[str, str], Sequence[float | None]],
    metrics: Metrics,
    names: Sequence[str],
    settings: Sequence[str] = (),
    intervals: Mapping[tuple[str, str], Sequence[tuple[float, float] | None]] | None = None,
) -> tuple[Line, ...]:
    """Return the lines of values by (method, dataset), in the order of the first dataset, then of the others."""
    methods = list(dict.fromkeys(method for name in names for method, dataset in values if dataset == name))
    marks = fit_marks(results)
    unknown = (UNKNOWN,) * len(settings)
    cells = ranked_cells([[values.get((method, name)) for name in names] for method in methods], metrics)
    lines = [
        Line(method_name(method), marks.get(method, ""), unknown, line)
        for method, line in zip(methods, cells, strict=True)
    ]
    if not intervals:
        return tuple(lines)
    return tuple(
        replace(
            line,
            cells=tuple(
                tuple(map(_with_interval, row, intervals.get((method, name), [None] * len(row))))
                for name, row in zip(names, line.cells, strict=True)
            ),
        )
        for method, line in zip(methods, lines, strict=True)
    )


def apart(settings: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Divide methods into groups in which all that are measured on a dataset are measured under one setting of it.

    settings: by method and dataset. The order is kept, and a method joins the first group that it fits.
    """
    groups: list[tuple[list[str], dict[str, str]]] = []
    for method, own in settings.items():
        for methods, common in groups:
            if all(common.get(dataset, setting) == setting for dataset, setting in own.items()):
                methods.append(method)
                common.update(own)
                break
        else:
            groups.append(([method], dict(own)))
    return [methods for methods, _ in groups]


def _with_interval(cell: Cell, interval: tuple[float, float] | None) -> Cell:
    return replace(cell, interval=interval)


def _published(rows: Sequence[PublishedRow], names: Sequence[str]) -> tuple[Line, ...]:
    """Return the published lines in the order of the paper."""
    tick = {True: "✓", False: "✗"}
    found = [[row.metrics.get(name) for name in names] for row in rows]
    metrics = registry.RANKING
    cells = ranked_cells(
        [[None if one is None else values_of(one, metrics) for one in line] for line in found], metrics
    )
    return tuple(
        Line(
            name=row.method,
            mark="",
            settings=(
                tick[row.resynthesis],
                tick[row.ood_data],
                UNKNOWN if row.miou is None else f"{row.miou:.1f}",
            ),
            cells=line,
        )
        for row, line in zip(rows, cells, strict=True)
    )


def ranked_cells(
    values: Sequence[Sequence[Sequence[float | None] | None]], metrics: Metrics
) -> list[tuple[tuple[Cell, ...], ...]]:
    """Rank the values of [method][dataset][metric] column by column; None is a method that was not measured."""
    datasets = [_dataset_cells(dataset, metrics) for dataset in zip(*values, strict=True)]
    return [tuple(cells[method] for cells in datasets) for method in range(len(values))]


def _dataset_cells(values: Sequence[Sequence[float | None] | None], metrics: Metrics) -> list[tuple[Cell, ...]]:
    """Return for each method its cells on one dataset."""
    columns = []
    for index, metric in enumerate(metrics):
        column = [None if one is None else one[index] for one in values]
        placed = zip(column, ranks(column, metric.higher_is_better), strict=True)
        columns.append([Cell(value, rank, digits=metric.unit.digits) for value, rank in placed])
    return list(zip(*columns, strict=True))
