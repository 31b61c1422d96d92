"""The table of thresholds: what they do where they were chosen, and what moving them to other images costs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from anomaly_eval.datasets.cards import shipped_title
from anomaly_eval.metrics import registry
from anomaly_eval.reports.comparison import (
    UNKNOWN,
    Cell,
    ComparisonTable,
    DatasetTitle,
    Line,
    Rank,
    Section,
    marked_titles,
    ranked_cells,
    values_of,
)
from anomaly_eval.reports.notes import (
    Note,
    deviation_notes,
    fit_marks,
    fit_notes,
    model_note,
    model_notes,
    negation_notes,
    warnings_of,
)
from anomaly_eval.reports.places import Place, place
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.records import OperatingRow, Results
from anomaly_eval.results.titles import method_name

_HOW = (
    "Pixels are predicted to be anomalies where their score is at or above the threshold. tpr=R: the highest threshold "
    "with a TPR of at least R; fpr=R: the lowest one, among the scores of anomalies, with an FPR of at most R; f1: "
    "that of the best F1. False alarms are components of predicted pixels, of any size, that touch no anomaly, for "
    "each image: 8-connectivity, void pixels removed before. A rate that a goal sets is not ranked where it was set."
)
_OWN = "Where no threshold stands, each run has its own, to be found in operating_points.csv; the numbers are means."


def compare_operating_points(
    results: Results,
    models: Mapping[str, Origin] | None = None,
    behind: Mapping[Place, Sequence[OperatingRow]] | None = None,
) -> ComparisonTable:
    """Arrange thresholds by what they were chosen for and on which dataset, the datasets side by side.

    models: the networks by run, where `results` are those of several; behind: the rows that others are means of, each
    at a threshold of its own.
    """
    measured = {place(row): row for row in results.operating_points}
    at_home = {place(row): row for row in results.given_thresholds}
    # What was measured here is known better than what a file says.
    found = at_home | measured
    rows = list(found.values())
    names = list(dict.fromkeys([*(row.learnt_on for row in rows), *(row.dataset for row in rows)]))
    titles = dict(zip(names, _titles(results, names), strict=True))
    groups = dict.fromkeys((row.learnt_on, row.point) for row in rows)
    thresholds = {at: {one.threshold for one in (behind or {}).get(at, [row])} for at, row in found.items()}
    sections = tuple(
        Section(
            f"{point} on {titles[learnt_on].title}",
            _lines(
                [row for row in rows if (row.learnt_on, row.point) == (learnt_on, point)],
                names,
                results,
                thresholds,
                fixed=(learnt_on, _rate_of(point)),
            ),
            point,
            learnt_on,
        )
        for learnt_on, point in groups
    )
    here = {row.dataset for row in results.operating_points}
    from_file = list(dict.fromkeys(row.dataset for row in results.given_thresholds if row.dataset not in here))
    notes = [*deviation_notes(results, "anomaly", with_published=False), *fit_notes(results), Note("", _HOW)]
    if from_file:
        listed = ", ".join(titles[name].title for name in from_file)
        notes.append(Note("", f"{listed}: as the file of thresholds says, not measured here."))
    if any(len(values) > 1 for values in thresholds.values()):
        notes.append(Note("", _OWN))
    return ComparisonTable(
        subject="Operating points",
        metrics=registry.OPERATING_POINTS,
        datasets=tuple(titles.values()),
        names=tuple(names),
        settings=("Threshold",),
        sections=sections,
        notes=(*notes, *negation_notes(results), *(model_notes(models) if models else [model_note(results)])),
        # Where nothing was ranked, no other table tells them.
        warnings=() if results.rows else warnings_of(results, "anomaly"),
        unit="Rates in percent, false alarms for each image",
    )


def _lines(
    rows: Sequence[OperatingRow],
    names: Sequence[str],
    results: Results,
    thresholds: Mapping[Place, Collection[float]],
    fixed: tuple[str, str | None],
) -> tuple[Line, ...]:
    """Return a line for each method of one section.

    thresholds: those behind each row, of all runs that it is a mean of. fixed: the dataset and, by its key, the rate
    that the goal sets there, so that no method is better by it.
    """
    metrics, marks = registry.OPERATING_POINTS, fit_marks(results)
    found = {
        (row.method, row.dataset): [
            None if value is None or math.isnan(value) else value for value in values_of(row.metrics, metrics)
        ]
        for row in rows
    }
    settings = {row.method: _threshold_text(thresholds[place(row)]) for row in rows}
    cells = ranked_cells([[found.get((method, name)) for name in names] for method in settings], metrics)
    cells = [tuple(map(partial(_without_rank, fixed), names, line)) for line in cells]
    return tuple(
        Line(method_name(method), marks.get(method, ""), (threshold,), line)
        for (method, threshold), line in zip(settings.items(), cells, strict=True)
    )


def _threshold_text(thresholds: Collection[float]) -> str:
    """Return the threshold of a line; none of several, whose mean decides nothing."""
    return f"{next(iter(thresholds)):.6g}" if len(thresholds) == 1 else UNKNOWN


def _rate_of(point: str) -> str | None:
    """Return the key of the rate that a threshold was chosen for; None for the best F1, which no goal sets."""
    kind, equals, _ = point.partition("=")
    return kind if equals else None


def _without_rank(fixed: tuple[str, str | None], dataset: str, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Take the rank from the number that a goal sets on a dataset."""
    return tuple(
        replace(cell, rank=Rank.OTHER) if (dataset, metric.key) == fixed else cell
        for cell, metric in zip(cells, registry.OPERATING_POINTS, strict=True)
    )


def _titles(results: Results, names: Sequence[str]) -> list[DatasetTitle]:
    """Return the titles of datasets; those that only a file of thresholds names are called as their shipped cards are.

    That file has no titles, and other tables show them.
    """
    recorded = {record.name for record in results.datasets}
    return [
        title if name in recorded else DatasetTitle(shipped_title(name) or name)
        for name, title in zip(names, marked_titles(results, names), strict=True)
    ]
