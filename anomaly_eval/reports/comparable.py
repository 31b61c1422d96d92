"""In what runs differ that makes their numbers incomparable: conventions, and the images and labels of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anomaly_eval.datasets.cards import Task
from anomaly_eval.metrics import registry
from anomaly_eval.reports.comparison import PUBLISHED, PUBLISHED_WITH_MORE, Cell, ComparisonTable, Rank, Section
from anomaly_eval.results.records import UNKNOWN_CLASS_MAPS, Conventions, DatasetRecord, Results

_OF_CLOSED_SET = "closed_set"


@dataclass(frozen=True)
class NamedRun:
    """The results of one folder under the name that tables give them."""

    name: str
    folder: Path
    results: Results


@dataclass(frozen=True)
class Difference:
    """A fact in which runs differ, in words, and what it touches: None is all datasets, or all metrics, of the task."""

    text: str
    task: Task
    dataset: str | None = None
    metric: str | None = None

    def touches(self, task: Task, dataset: str, metric: str) -> bool:
        """Whether numbers of this metric on this dataset, in columns of this task, are not comparable."""
        return task == self.task and self.dataset in (None, dataset) and self.metric in (None, metric)


def differences(runs: Sequence[NamedRun]) -> list[Difference]:
    """Return all facts in which runs differ and on which numbers that stand below each other depend."""
    return [*_of_conventions(runs), *_of_datasets(runs)]


def without_ranks(table: ComparisonTable, found: Sequence[Difference], task: Task) -> ComparisonTable:
    """Return a table in which no measured number is best where those below each other are not comparable."""
    pooled = {mean.key: metric.key for metric, mean in zip(registry.RANKING, registry.means_over_images(), strict=True)}

    def plain(cells: tuple[Cell, ...], dataset: str) -> tuple[Cell, ...]:
        keys = [pooled.get(metric.key, metric.key) for metric in table.metrics]
        touched = [any(one.touches(task, dataset, key) for one in found) for key in keys]
        return tuple(
            replace(cell, rank=Rank.OTHER) if is_touched else cell
            for cell, is_touched in zip(cells, touched, strict=True)
        )

    def of_section(section: Section) -> Section:
        if section.title in (PUBLISHED, PUBLISHED_WITH_MORE):
            return section
        lines = [replace(line, cells=tuple(map(plain, line.cells, table.names))) for line in section.lines]
        return replace(section, lines=tuple(lines))

    return replace(table, sections=tuple(map(of_section, table.sections))) if found else table


def _of_conventions(runs: Sequence[NamedRun]) -> Iterator[Difference]:
    metrics = registry.keys(registry.RANKING)
    for field in Conventions.columns():
        task: Task = "closed_set" if field.startswith(_OF_CLOSED_SET) else "anomaly"
        concerned = [run for run in runs if any(record.task == task for record in run.results.datasets)]
        values = {run.name: str(run.results.conventions.model_dump()[field]) for run in concerned}
        # Nobody knows how the score maps of others came about, which is no reason not to compare them.
        values = {name: value for name, value in values.items() if value != UNKNOWN_CLASS_MAPS}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name} has {value!r}" for name, value in values.items())
            yield Difference(f"in {field}, {listed}", task, metric=field if field in metrics else None)


def _of_datasets(runs: Sequence[NamedRun]) -> Iterator[Difference]:
    known: dict[str, list[tuple[NamedRun, DatasetRecord]]] = {}
    for run in runs:
        for record in run.results.datasets:
            known.setdefault(record.name, []).append((run, record))
    for dataset, ((first, record), *others) in known.items():
        for other, its in others:
            what = _differing(first.results, record, other.results, its)
            if what:
                counted = (
                    f"{first.name} has {_counted(first.results, record)}, {other.name} {_counted(other.results, its)}"
                )
                text = f"the {what} of {dataset} in {other.name} are not those in {first.name} ({counted})"
                yield Difference(text, its.task, dataset)


def _differing(first: Results, record: DatasetRecord, other: Results, its: DatasetRecord) -> str:
    """Say what of a dataset differs between two runs; empty where both measured the same."""
    labels = record.labels_sha256, its.labels_sha256
    if None not in labels and labels[0] != labels[1]:
        return "labels"
    if _counts(first, record) != _counts(other, its):
        return "labels"
    if record.files_sha256 == its.files_sha256:
        return ""
    if record.pixels_sha256 is None or its.pixels_sha256 is None:
        return "images or labels"
    # Files may be others though their pixels are not, such as after lossless compression anew.
    return "" if record.pixels_sha256 == its.pixels_sha256 else "images"


def _counts(results: Results, record: DatasetRecord) -> dict[str, int | None]:
    """Return what was counted in a dataset, which depends on the labels and their meaning alone."""
    found: dict[str, int | None] = {"images": record.n_images, "void pixels": record.n_void_pixels}
    for row in results.rows:
        if row.dataset == record.name:
            return found | {"anomaly pixels": row.n_anomaly_pixels, "inlier pixels": row.n_inlier_pixels}
    for closed in results.closed_set:
        if closed.dataset == record.name:
            return found | {"labelled pixels": closed.n_pixels}
    return found


def _counted(results: Results, record: DatasetRecord) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in _counts(results, record).items())
