"""The table of thresholds: what they do where they were chosen, and what moving them to other images costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anomaly_eval.metrics import registry
from anomaly_eval.reports.comparison import ComparisonTable, Line, Section, marked_titles, ranked_cells, values_of
from anomaly_eval.reports.notes import (
    Note,
    deviation_notes,
    fit_marks,
    model_note,
    model_notes,
    negation_notes,
    warnings_of,
)
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.records import OperatingRow, Results
from anomaly_eval.results.titles import dataset_title, method_name

_HOW = (
    "Pixels are predicted to be anomalies where their score is at or above the threshold. tpr=R: the highest threshold "
    "with a TPR of at least R; fpr=R: the lowest one, among the scores of anomalies, with an FPR of at most R; f1: "
    "that of the best F1. False alarms are components of predicted pixels, of any size, that touch no anomaly, for "
    "each image: 8-connectivity, void pixels removed before."
)


def compare_operating_points(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange thresholds by what they were chosen for and on which dataset, the datasets side by side.

    models: the networks by run, where `results` are those of several.
    """
    measured = {(row.dataset, row.method, row.point, row.learnt_on): row for row in results.operating_points}
    at_home = {(row.dataset, row.method, row.point, row.learnt_on): row for row in results.given_thresholds}
    # What was measured here is known better than what a file says.
    rows = list({**at_home, **measured}.values())
    names = list(dict.fromkeys([*(row.learnt_on for row in rows), *(row.dataset for row in rows)]))
    groups = dict.fromkeys((row.learnt_on, row.point) for row in rows)
    sections = tuple(
        Section(
            f"{point} on {dataset_title(learnt_on, results.datasets)}",
            _lines([row for row in rows if (row.learnt_on, row.point) == (learnt_on, point)], names, results),
        )
        for learnt_on, point in groups
    )
    here = {row.dataset for row in results.operating_points}
    from_file = list(dict.fromkeys(row.dataset for row in results.given_thresholds if row.dataset not in here))
    notes = [*deviation_notes(results, "anomaly", with_published=False), Note("", _HOW)]
    if from_file:
        titles = ", ".join(dataset_title(name, results.datasets) for name in from_file)
        notes.append(Note("", f"{titles}: as the file of thresholds says, not measured here."))
    return ComparisonTable(
        subject="Operating points",
        metrics=registry.OPERATING_POINTS,
        datasets=marked_titles(results, names),
        names=tuple(names),
        settings=("Threshold",),
        sections=sections,
        notes=(*notes, *negation_notes(results), *(model_notes(models) if models else [model_note(results)])),
        # Where nothing was ranked, no other table tells them.
        warnings=() if results.rows else warnings_of(results, "anomaly"),
        unit="Rates in percent, false alarms for each image",
    )


def _lines(rows: Sequence[OperatingRow], names: Sequence[str], results: Results) -> tuple[Line, ...]:
    """Return a line for each method of one section."""
    metrics, marks = registry.OPERATING_POINTS, fit_marks(results)
    found = {
        (row.method, row.dataset): [
            None if value is None or math.isnan(value) else value for value in values_of(row.metrics, metrics)
        ]
        for row in rows
    }
    thresholds = {row.method: row.threshold for row in rows}
    cells = ranked_cells([[found.get((method, name)) for name in names] for method in thresholds], metrics)
    return tuple(
        Line(method_name(method), marks.get(method, ""), (f"{threshold:.6g}",), line)
        for (method, threshold), line in zip(thresholds.items(), cells, strict=True)
    )
