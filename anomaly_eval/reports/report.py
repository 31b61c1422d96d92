"""One run of `gmmseg-anomaly report`: result folders to one table in several formats, and figures."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from anomaly_eval.datasets.cards import Task
from anomaly_eval.errors import InputError
from anomaly_eval.reports.closed_set import compare_closed_set
from anomaly_eval.reports.combining import combine, read_run
from anomaly_eval.reports.comparable import Difference, NamedRun, differences, without_ranks
from anomaly_eval.reports.comparison import ComparisonTable, compare
from anomaly_eval.reports.components_and_per_image import compare_components, compare_per_image
from anomaly_eval.reports.csv_files import csv_of_runs
from anomaly_eval.reports.figures.dataset import draw_distributions
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.reports.names import run_names
from anomaly_eval.reports.notes import Note
from anomaly_eval.reports.page.about import about_runs_markup, warnings_markup
from anomaly_eval.reports.page.store import PageStore
from anomaly_eval.reports.page.tables import page_table
from anomaly_eval.reports.page.write import PAGE_FILE, Document, write_document
from anomaly_eval.reports.published import read_published, read_published_closed_set
from anomaly_eval.reports.request import FORMATS, ReportRequest
from anomaly_eval.results.curves import Distribution, read_distributions
from anomaly_eval.results.records import ClosedSetRow, ComponentRow, IntervalRow, PerImageRow, Record, Row
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.output_folder import RESULTS_FILE, FolderKind, prepare_output

_RECORD, _MARKDOWN, _FIGURES = "report.json", "report.md", "figures"
_TABLES = ("results", "per_image", "components", "closed_set")
_TASKS: dict[str, Task] = {"closed_set": "closed_set"}
_ROWS: dict[str, tuple[str, type[Record]]] = {
    "results.csv": ("rows", Row),
    "intervals.csv": ("intervals", IntervalRow),
    "per_image.csv": ("per_image", PerImageRow),
    "components.csv": ("components", ComponentRow),
    "closed_set.csv": ("closed_set", ClosedSetRow),
}
REPORT = FolderKind(
    _RECORD,
    keys=frozenset({"format_version", "runs", "formats"}),
    entries=frozenset({_RECORD, PAGE_FILE, _MARKDOWN, _FIGURES, *_ROWS, *(f"{name}.tex" for name in _TABLES)}),
)


class ReportedRun(Record):
    """A folder that went into a report."""

    folder: str
    results_sha256: str


class ReportRecord(Record):
    """The content of `report.json`."""

    format_version: int = 1
    command: str
    runs: dict[str, ReportedRun]
    formats: list[str]


def run_report(request: ReportRequest) -> list[ComparisonTable]:
    """Read the folders, write the report, and return its tables for the terminal.

    Raises InputError for a folder that `eval` did not write, one of another format version, runs that differ in a
    convention or in the images of a dataset unless `mixed`, and an unknown format.
    """
    if not request.runs:
        raise InputError("there is nothing to report; give one or more folders that `gmmseg-anomaly eval` wrote.")
    for name in request.formats:
        if name not in FORMATS:
            raise InputError(f"there is no format {name!r}; choose among {', '.join(FORMATS)}.")
    names = run_names(request.runs, request.names)
    runs = [NamedRun(name, folder, read_run(folder)) for name, folder in zip(names, request.runs, strict=True)]
    tables = tables_of(runs, request)
    with prepare_output(request.out, request.overwrite, REPORT) as output:
        for name, text in _texts(runs, tables, request).items():
            (output.path / name).write_text(text, encoding="utf-8")
        if "html" in request.formats:
            _write_page(runs, tables, output.path)
        if request.figures:
            draw_distributions(distributions_of(runs), output.path / _FIGURES)
    return list(tables.values())


def tables_of(runs: Sequence[NamedRun], request: ReportRequest) -> dict[str, ComparisonTable]:
    """Arrange what was measured in any of the runs, by the name of the file."""
    combined = combine(runs, request.mixed)
    if not request.intervals:
        combined = combined.model_copy(update={"intervals": []})
    models = {run.name: run.results.provenance.model for run in runs} if len(runs) > 1 else None
    tables: dict[str, ComparisonTable] = {}
    if combined.rows:
        tables["results"] = compare(combined, read_published() if request.with_published else (), models)
    if combined.per_image:
        tables["per_image"] = compare_per_image(combined, models)
    if combined.components:
        tables["components"] = compare_components(combined, models)
    if combined.closed_set:
        published = read_published_closed_set() if request.with_published else ()
        networks = {run.name: run.results.closed_set for run in runs if run.results.closed_set}
        tables["closed_set"] = compare_closed_set(combined, published, networks, models)
    found = differences(runs)
    return {name: _with_differences(table, found, _TASKS.get(name, "anomaly")) for name, table in tables.items()}


def _with_differences(table: ComparisonTable, found: Sequence[Difference], task: Task) -> ComparisonTable:
    """Name what makes numbers of a table incomparable, and rank none of these."""
    notes = [Note("", f"Not comparable: {one.text}.") for one in found if one.task == task]
    return without_ranks(replace(table, notes=(*table.notes, *notes)), found, task)


def distributions_of(runs: Sequence[NamedRun]) -> list[Distribution]:
    """Read the curves of all runs; methods of several are called NAME/METHOD."""
    found = [(run.name, one) for run in runs for one in read_distributions(run.folder)]
    if len(runs) == 1:
        return [one for _, one in found]
    return [replace(one, method=of_run(name, one.method)) for name, one in found]


def _write_page(runs: Sequence[NamedRun], tables: Mapping[str, ComparisonTable], folder: Path) -> None:
    """Write the tables to sort, the curves of all runs, and where they come from; images stay with the runs."""
    found = {run.name: run.results for run in runs}
    document = Document(
        title=" and ".join(found),
        lead="",
        warnings=warnings_markup([warning for table in tables.values() for warning in table.warnings]),
        tables=list(map(page_table, tables.values())),
        about=about_runs_markup(found),
    )
    curves = {(one.dataset, one.method): one.curve for one in distributions_of(runs)}
    records = {record.name: record for run in runs for record in run.results.datasets}
    with PageStore(folder) as no_images:
        write_document(document, curves, list(records.values()), no_images, folder)


def _texts(runs: Sequence[NamedRun], tables: dict[str, ComparisonTable], request: ReportRequest) -> dict[str, str]:
    """Return the content of each file of tables, and of the record."""
    record = ReportRecord(
        command=shlex.join(request.command),
        runs={
            run.name: ReportedRun(folder=str(run.folder), results_sha256=_sha256(run.folder / RESULTS_FILE))
            for run in runs
        },
        formats=list(request.formats),
    )
    texts = {_RECORD: record.model_dump_json(indent=2) + "\n"}
    if "tex" in request.formats:
        texts |= {f"{name}.tex": latex_table(table) for name, table in tables.items()}
    if "md" in request.formats:
        texts[_MARKDOWN] = "\n".join(map(markdown_table, tables.values()))
    if "csv" in request.formats:
        for name, (field, kind) in _ROWS.items():
            rows = {run.name: getattr(run.results, field) for run in runs}
            if any(rows.values()):
                texts[name] = csv_of_runs(kind, rows)
    return texts


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
