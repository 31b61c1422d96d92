"""A study as the table that every rendering shows: classes and calibration of each network, then its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import ECE, MIOU
from anomaly_eval.reports.comparison import (
    Cell,
    ComparisonTable,
    DatasetTitle,
    Line,
    Section,
    marked_titles,
    ranked_cells,
    values_of,
)
from anomaly_eval.reports.notes import Note, deviation_notes, fit_marks, interval_notes, measuring_notes
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import method_name, of_run
from anomaly_eval.studies.ablation.collecting import NetworkFindings, combined
from anomaly_eval.studies.ablation.plan import AblationPlan, PlannedNetwork, PlannedRow
from anomaly_eval.studies.ablation.published import published_notes, published_section
from anomaly_eval.studies.ablation.records import AblationRow, StudyRecord

_OF_NETWORK = (MIOU, ECE)


def ablation_table(
    plan: AblationPlan,
    study: StudyRecord,
    chosen: Sequence[PlannedRow],
    found: dict[str, NetworkFindings],
    rows: Sequence[AblationRow],
) -> ComparisonTable:
    """Arrange the chosen rows in the sections of the plan, each before what is published; each is ranked by itself."""
    anomalies, closed_set = combined(found, "evaluation"), combined(found, "closed_set")
    if anomalies is None and closed_set is None:
        raise ValueError("a table needs the findings of a network")
    names = [] if anomalies is None else [record.name for record in anomalies.datasets]
    marks = {} if anomalies is None else fit_marks(anomalies)
    by_place = {(row.row, row.score, row.dataset): row for row in rows}
    sections = []
    for section in plan.sections:
        lines = [(row, score) for row in section.rows if row in chosen for score in row.scores or (None,)]
        if not lines:
            continue
        cells = _cells(lines, names, by_place)
        if closed_set is not None:
            own = [[(found[row.network].miou, found[row.network].ece)] for row, _ in lines]
            cells = [(*left, *right) for left, right in zip(ranked_cells(own, _OF_NETWORK), cells, strict=True)]
        sections.append(
            Section(
                section.title,
                tuple(
                    Line(
                        name=row.name if score is None else method_name(of_run(row.name, score)),
                        mark="" if score is None else marks.get(_method(row.network, score, found), ""),
                        settings=(),
                        cells=line,
                    )
                    for (row, score), line in zip(lines, cells, strict=True)
                ),
            )
        )
        if plan.published is not None:
            of_classes = () if closed_set is None else (found[lines[0][0].network].closed_set_name,)
            sections += published_section(plan.published, section, of_classes, names)
    titles: tuple[DatasetTitle, ...] = ()
    notes: list[Note] = []
    if anomalies is not None:
        titles, notes = marked_titles(anomalies, names), measuring_notes(anomalies, False)
    if closed_set is not None:
        titles = (_closed_set_title(closed_set), *titles)
        notes = [*deviation_notes(closed_set, "closed_set", False), *notes, *_closed_set_notes(closed_set, found)]
    return ComparisonTable(
        subject=plan.title,
        metrics=registry.RANKING,
        datasets=titles,
        settings=(),
        sections=tuple(sections),
        notes=(
            *notes,
            *([] if anomalies is None else interval_notes(anomalies)),
            *_study_notes(plan, study, chosen, anomalies),
            *published_notes(plan.published),
        ),
        warnings=warnings_of_all(found),
        other_metrics={0: _OF_NETWORK} if closed_set is not None else {},
    )


def _closed_set_title(closed_set: Results) -> DatasetTitle:
    """Return the title of the one dataset; sections are of one each, and there may be several."""
    titles = marked_titles(closed_set, [record.name for record in closed_set.datasets])
    if len(titles) == 1:
        return titles[0]
    return DatasetTitle("Classes", next((title.mark for title in titles if title.mark), ""))


def _method(network: str, score: str, found: Mapping[str, NetworkFindings]) -> str:
    """Return what combined results call a score of a network."""
    return of_run(network, score) if len(found) > 1 else score


def warnings_of_all(found: dict[str, NetworkFindings]) -> tuple[str, ...]:
    """Return the warnings of all steps; what several say is said once."""
    texts: dict[str, list[str]] = {}
    for name, findings in found.items():
        measured = [one for one in (findings.anomalies, findings.closed_set) if one is not None]
        for text in dict.fromkeys(text for one in measured for text in one.warnings):
            texts.setdefault(text, []).append(name)
    return tuple(text if len(names) == len(found) else f"{', '.join(names)}: {text}" for text, names in texts.items())


def _cells(
    lines: Sequence[tuple[PlannedRow, str | None]],
    names: Sequence[str],
    rows: Mapping[tuple[str, str | None, str | None], AblationRow],
) -> list[tuple[tuple[Cell, ...], ...]]:
    """Return the cells of a section on the anomaly datasets, ranked, with their intervals."""
    if not names:
        return [()] * len(lines)
    measured = [[rows.get((row.name, score, name)) for name in names] for row, score in lines]
    metrics = registry.RANKING
    values = [[None if one is None else values_of(one.metrics, metrics) for one in line] for line in measured]
    return [
        tuple(
            tuple(
                replace(cell, interval=_interval(one, metric.key)) for cell, metric in zip(cells, metrics, strict=True)
            )
            for one, cells in zip(of_line, ranked, strict=True)
        )
        for of_line, ranked in zip(measured, ranked_cells(values, metrics), strict=True)
    ]


def _interval(row: AblationRow | None, key: str) -> tuple[float, float] | None:
    if row is None:
        return None
    low, high = row.metrics.get(f"{key}_low"), row.metrics.get(f"{key}_high")
    return None if low is None or high is None else (low, high)


def _closed_set_notes(closed_set: Results, found: dict[str, NetworkFindings]) -> list[Note]:
    """Say how mean IoU and calibration are defined."""
    protocols = dict.fromkeys(row.protocol for row in closed_set.closed_set)
    notes = [
        Note("", f"mIoU: test settings of the {'; '.join(protocols)}."),
        Note("", f"Closed set: {closed_set.conventions.closed_set}."),
    ]
    calibration = next((one.calibration for one in found.values() if one.calibration is not None), None)
    if calibration is not None:
        bins = calibration.rows[0].n_bins
        notes.append(Note("", f"ECE: {calibration.conventions.ece}; {bins} bins, network's own test settings."))
    return notes


def _study_notes(
    plan: AblationPlan, study: StudyRecord, chosen: Sequence[PlannedRow], anomalies: Results | None
) -> list[Note]:
    """Say how all networks were trained, and what the network of each row is."""
    start = f", from weights with sha256 {study.init_from_sha256[:12]}" if study.init_from_sha256 else ""
    how = ", ".join(plan.options)
    length = "as long as each config says" if study.iterations is None else f"{study.iterations} iterations"
    rows_of: dict[str, list[str]] = {}
    for row in chosen:
        rows_of.setdefault(row.network, []).append(row.name)
    return [
        Note("", f"Trainings: {length}, seed {study.seed}{start}{f'; {how}' if how else ''}."),
        *([] if anomalies is None else [_resolution_note(anomalies)]),
        *(
            Note("", f"{', '.join(rows)}: network {name}, {network_text(name, plan.networks)}.")
            for name, rows in rows_of.items()
        ),
    ]


def _resolution_note(anomalies: Results) -> Note:
    model = anomalies.provenance.model
    resolution = model.resize if isinstance(model, ModelRecord) else "native"
    return Note("", f"Resolution of the anomaly datasets: {resolution}.")


def network_text(name: str, networks: Mapping[str, PlannedNetwork]) -> str:
    """Say in one line what a network is: its config without folders and its options, or what was fitted to which."""
    network = networks[name]
    if network.refit is not None:
        fields = "".join(f", {field} {value}" for field, value in network.mixture_fields.items())
        return f"mixtures fitted after training to {network.refit} ({network_text(network.refit, networks)}){fields}"
    return ", ".join([PurePath(network.config or "").name, *network.options])
