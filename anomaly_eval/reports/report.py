"""One run of `gmmseg-anomaly report`: result folders to one table in several formats, and figures."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from pydantic import Field

from anomaly_eval.datasets.cards import Task
from anomaly_eval.errors import InputError
from anomaly_eval.reports.closed_set import compare_closed_set
from anomaly_eval.reports.combining import class_maps_of, combine
from anomaly_eval.reports.comparable import Difference, NamedRun, differences, without_ranks
from anomaly_eval.reports.comparison import ComparisonTable, compare
from anomaly_eval.reports.components_and_per_image import compare_components, compare_per_image
from anomaly_eval.reports.csv_files import csv_of, csv_of_runs
from anomaly_eval.reports.deviations import with_deviations
from anomaly_eval.reports.entries import REPORT_FILE, Entries, read_entries
from anomaly_eval.reports.figures.dataset import draw_distributions
from anomaly_eval.reports.groups import GroupRow, parse_groups
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.reports.notes import Note
from anomaly_eval.reports.operating_points import compare_operating_points
from anomaly_eval.reports.page.about import about_runs_markup, warnings_markup
from anomaly_eval.reports.page.markup import escape
from anomaly_eval.reports.page.store import PageStore
from anomaly_eval.reports.page.tables import differences_table, page_table
from anomaly_eval.reports.page.write import PAGE_FILE, Document, write_document
from anomaly_eval.reports.paired import Paired, draw_pairs
from anomaly_eval.reports.published import read_published, read_published_closed_set
from anomaly_eval.reports.request import FORMATS, ReportRequest
from anomaly_eval.results.curves import Distribution, read_distributions
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.record import Record
from anomaly_eval.results.records import (
    ClosedSetRow,
    ComponentRow,
    DifferenceRow,
    IntervalRow,
    OperatingRow,
    PerImageRow,
    Results,
    Row,
)
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import RESULTS_FILE, FolderKind, prepare_output

_MARKDOWN, _FIGURES = "report.md", "figures"
_INTERVALS, _DIFFERENCES, _GROUPS = "intervals.csv", "differences.csv", "groups.csv"
_TABLES = ("results", "per_image", "components", "operating_points", "closed_set")
_TASKS: dict[str, Task] = {"closed_set": "closed_set"}
_ROWS: dict[str, tuple[str, type[Record]]] = {
    "results.csv": ("rows", Row),
    _INTERVALS: ("intervals", IntervalRow),
    "per_image.csv": ("per_image", PerImageRow),
    "components.csv": ("components", ComponentRow),
    "operating_points.csv": ("operating_points", OperatingRow),
    "closed_set.csv": ("closed_set", ClosedSetRow),
}
REPORT = FolderKind(
    REPORT_FILE,
    entries=frozenset(
        {
            REPORT_FILE,
            PAGE_FILE,
            _MARKDOWN,
            _FIGURES,
            _DIFFERENCES,
            _GROUPS,
            *_ROWS,
            *(f"{name}.tex" for name in _TABLES),
        }
    ),
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
    groups: dict[str, list[str]] = Field(default_factory=dict)
    """The runs of each group, by the names that they have in `runs`."""
    formats: list[str]


@dataclass(frozen=True)
class Report:
    """What a report says, before it is written."""

    entries: Entries
    combined: Results
    tables: Mapping[str, ComparisonTable]
    paired: Paired | None
    request: ReportRequest

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        write_record(self.entries, self.request, folder)
        for name, text in _texts(self).items():
            (folder / name).write_text(text, encoding="utf-8")
        if "html" in self.request.formats:
            _write_page(self.entries, self.combined, self.tables, folder)
        if self.request.figures:
            draw_distributions(distributions_of(self.entries.members), folder / _FIGURES)


def run_report(request: ReportRequest) -> list[ComparisonTable]:
    """Read the folders, write the report, and return its tables for the terminal.

    Raises InputError for a folder that `eval` did not write, one of another format version, runs that differ in a
    convention or in the images of a dataset unless `mixed`, groups that cannot be averaged, an unknown format, a label
    that LaTeX would not read, and options that would do nothing.
    """
    if not request.runs and not request.groups:
        raise InputError("there is nothing to report; give one or more folders that `gmmseg-anomaly eval` wrote.")
    if request.seed is not None and not request.resamples:
        raise InputError("--seed is that of the resamples; add --bootstrap NUMBER, or leave it out.")
    if request.label is not None and "tex" not in request.formats:
        raise InputError("--label is for LaTeX tables; add tex to --format, or leave it out.")
    for name in request.formats:
        if name not in FORMATS:
            raise InputError(f"there is no format {name!r}; choose among {', '.join(FORMATS)}.")
    if request.label is not None and re.fullmatch(r"[A-Za-z0-9_:.-]+", request.label) is None:
        raise InputError(f"--label {request.label!r} may break LaTeX; give a to z, digits, and _ : . - alone.")
    refuse_lost_inputs(request)
    report = report_of(read_entries(request.runs, request.names, parse_groups(request.groups)), request)
    _check_shown(report)
    with prepare_output(request.out, request.overwrite, REPORT) as output:
        report.write(output.path)
    return list(report.tables.values())


def _check_shown(report: Report) -> None:
    """Refuse what was asked for where no run has anything of it."""
    request, combined = report.request, report.combined
    if not report.tables:
        raise InputError(
            "there is nothing to show, as no group has anything that all of its runs measured; choose thresholds "
            "for the same goals with `eval --operating-points`."
        )
    if request.intervals and not request.resamples and not combined.intervals:
        of = "groups have none of their own" if report.entries.groups else "no run has any"
        raise InputError(f"--intervals has nothing to show, as {of}; add --bootstrap NUMBER, or leave it out.")
    if request.figures and not any(run.results.rows for run in report.entries.members):
        raise InputError("--figures draws how scores rank pixels, and no run has ranked any; leave it out.")


def report_of(entries: Entries, request: ReportRequest) -> Report:
    """Arrange runs in tables, whatever the request says of their folders; raises InputError as `run_report` does."""
    compared = entries.compared
    combined = combine(compared, request.mixed)
    if entries.groups:
        # Of runs within groups, too, it may not be known.
        stated = combined.conventions.model_copy(update={"class_maps": class_maps_of(entries.members)})
        combined = combined.model_copy(update={"conventions": stated})
    paired = _draw(entries, compared, request)
    if paired is not None:
        combined = _with_draws(combined, paired, entries)
    elif entries.groups and combined.intervals:
        text = f"{combined.provenance.bootstrap}; groups have none without --bootstrap"
        combined = combined.model_copy(
            update={"provenance": combined.provenance.model_copy(update={"bootstrap": text})}
        )
    return Report(entries, combined, _tables(entries, compared, combined, request), paired, request)


def _draw(entries: Entries, compared: Sequence[NamedRun], request: ReportRequest) -> Paired | None:
    """Draw images for all runs together, where that was asked for; raises InputError where they must not be."""
    if not request.resamples:
        return None
    if found := differences(compared):
        raise InputError(f"--bootstrap pairs runs, and these must not be compared: {found[0].text}; leave it out.")
    return draw_pairs(entries, request.resamples, request.seed or 0)


def _with_draws(combined: Results, paired: Paired, entries: Entries) -> Results:
    """Return the results of all entries with the intervals of their common draws in the place of their own."""
    intervals = [
        row.model_copy(update={"method": entries.method_name(entry, row.method)})
        for entry, rows in paired.intervals.items()
        for row in rows
    ]
    return combined.model_copy(
        update={
            "intervals": intervals,
            "differences": paired.differences,
            "provenance": combined.provenance.model_copy(update={"bootstrap": paired.text}),
            "warnings": [*combined.warnings, *paired.warnings],
        }
    )


def _tables(
    entries: Entries, compared: Sequence[NamedRun], combined: Results, request: ReportRequest
) -> dict[str, ComparisonTable]:
    """Arrange what was measured in any of the runs, by the name of the file."""
    if not request.intervals:
        combined = combined.model_copy(update={"intervals": []})
    members = entries.members
    models = _models(members) if len(members) > 1 else None
    tables: dict[str, ComparisonTable] = {}
    if combined.rows:
        tables["results"] = compare(combined, read_published() if request.with_published else (), models)
    if combined.per_image:
        tables["per_image"] = compare_per_image(combined, models)
    if combined.components:
        tables["components"] = compare_components(combined, models, entries.rows_behind("components"))
    if combined.operating_points:
        # What was measured at a threshold is known better than what the file of the threshold says.
        behind_points = entries.rows_behind("given_thresholds") | entries.rows_behind("operating_points")
        tables["operating_points"] = compare_operating_points(combined, models, behind_points)
    if combined.closed_set:
        published = read_published_closed_set() if request.with_published else ()
        networks = {run.name: run.results.closed_set for run in compared if run.results.closed_set}
        of_rows = _models(compared) if models else None
        behind = _models([run for run in members if run.results.closed_set]) if entries.groups else None
        tested = {
            name: [row for run in runs for row in run.results.closed_set]
            for name, runs in entries.runs_of.items()
            if name in networks
        }
        tables["closed_set"] = compare_closed_set(combined, published, networks, of_rows, behind, tested)
    found = differences(compared)
    tables = {name: _with_differences(table, found, _TASKS.get(name, "anomaly")) for name, table in tables.items()}
    return {name: with_deviations(table, entries) for name, table in tables.items()} if entries.groups else tables


def _models(runs: Sequence[NamedRun]) -> dict[str, Origin]:
    return {run.name: run.results.provenance.model for run in runs}


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


def _write_page(entries: Entries, combined: Results, tables: Mapping[str, ComparisonTable], folder: Path) -> None:
    """Write the tables to sort, the curves of all runs, and where they come from; images stay with the runs."""
    members = entries.members
    document = Document(
        title=" and ".join(entries.runs_of),
        lead=_links_to_pages(members, folder),
        warnings=warnings_markup([warning for table in tables.values() for warning in table.warnings]),
        tables=[*map(page_table, tables.values()), *([differences_table(combined)] if combined.differences else [])],
        about=about_runs_markup({run.name: run.results for run in members}),
    )
    curves = {(one.dataset, one.method): one.curve for one in distributions_of(members)}
    records = {record.name: record for run in members for record in run.results.datasets}
    with PageStore(folder) as no_images:
        write_document(document, curves, list(records.values()), no_images, folder)


def _links_to_pages(runs: Sequence[NamedRun], folder: Path) -> str:
    """Return markup that leads to the pages of runs in the folder, where all images are."""
    pages = {run.name: run.folder.name for run in runs if run.folder.parent == folder}
    links = [
        f'<a href="{escape(quote(name))}/{PAGE_FILE}">{escape(run)}</a>'
        for run, name in pages.items()
        if (folder / name / PAGE_FILE).is_file()
    ]
    return f'<p class="lead">All images: {" · ".join(links)}</p>\n' if links else ""


def write_record(entries: Entries, request: ReportRequest, folder: Path) -> None:
    """Write what went into a report, which tells its folder from others; runs in the folder are named within it."""
    record = ReportRecord(
        command=shlex.join(request.command),
        runs={
            run.name: ReportedRun(
                folder=str(run.folder.relative_to(folder) if run.folder.is_relative_to(folder) else run.folder),
                results_sha256=_sha256(run.folder / RESULTS_FILE),
            )
            for run in entries.members
        },
        groups={group.name: [of_run(group.name, run.name) for run in group.runs] for group in entries.groups},
        formats=list(request.formats),
    )
    (folder / REPORT_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _texts(report: Report) -> dict[str, str]:
    """Return the content of each file of tables."""
    entries, tables, request = report.entries, report.tables, report.request
    texts: dict[str, str] = {}
    if "tex" in request.formats:
        texts |= {f"{name}.tex": latex_table(table, request.label) for name, table in tables.items()}
    if "md" in request.formats:
        texts[_MARKDOWN] = "\n".join(map(markdown_table, tables.values()))
    if "csv" in request.formats:
        texts |= _csv_texts(entries, report.paired)
    return texts


def _csv_texts(entries: Entries, paired: Paired | None) -> dict[str, str]:
    """Return the numbers of all runs, means and deviations of groups, and what was drawn for all runs together."""
    texts: dict[str, str] = {}
    for name, (field, kind) in _ROWS.items():
        rows = {run.name: getattr(run.results, field) for run in entries.members}
        if any(rows.values()):
            texts[name] = csv_of_runs(kind, rows)
    if entries.group_rows:
        texts[_GROUPS] = csv_of(GroupRow, entries.group_rows)
    if paired is not None:
        texts |= {_INTERVALS: csv_of_runs(IntervalRow, paired.intervals)}
        texts |= {_DIFFERENCES: csv_of(DifferenceRow, paired.differences)}
    return texts


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
