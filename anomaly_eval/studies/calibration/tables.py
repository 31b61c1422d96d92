"""The calibration of several networks as a table, for LaTeX, Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from anomaly_eval.reports.comparison import Cell, ComparisonTable, Line, Section, ranked_cells
from anomaly_eval.reports.notes import DAGGER, Note, deviations
from anomaly_eval.studies.calibration.records import CalibrationFindings, CalibrationRow

METRICS = ("mIoU ↑", "aAcc ↑", "ECE ↓", "MCE ↓", "aECE ↓", "cwECE ↓", "Brier ↓", "NLL ↓")
HIGHER_IS_BETTER = (True, True, False, False, False, False, False, False)
_DIGITS = (2, 2, 2, 2, 2, 2, 4, 4)


def compare_calibration(findings: CalibrationFindings) -> ComparisonTable:
    """Arrange a line for each network and temperature, in their order."""
    rates = [[_rates(row)] for row in findings.rows]
    lines = [
        Line(method_of(row), "", (), tuple(map(_with_digits, cells)))
        for row, cells in zip(findings.rows, ranked_cells(rates, HIGHER_IS_BETTER), strict=True)
    ]
    changed = deviations(findings.dataset)
    conventions = findings.conventions
    notes = [Note(DAGGER, f"{findings.dataset.title}: {', '.join(changed)}.")] if changed else []
    notes += [
        Note("", f"Pooling: {conventions.pooling}. Probabilities: {conventions.probabilities}."),
        Note("", f"ECE, MCE: {conventions.ece}; {findings.rows[0].n_bins} bins."),
        Note("", f"aECE, adaptive: {conventions.adaptive_ece}."),
        Note("", f"cwECE, class-wise: {conventions.classwise_ece}. Brier score summed over classes, NLL in nats."),
    ]
    for row in findings.rows:
        if row.temperature_from:
            text = f"{row.network}: temperature {row.temperature:.4f}, fitted on {row.temperature_from}."
            notes.append(Note("", text))
    for name, model in findings.networks.items():
        checkpoint = f"{PurePath(model.checkpoint).name} (sha256 {model.checkpoint_sha256[:12]})"
        notes.append(Note("", f"{name}: {checkpoint}. Resolution: {model.resolution}, inference: {model.inference}."))
    return ComparisonTable(
        subject="Calibration",
        metrics=METRICS,
        datasets=(findings.dataset.title + (DAGGER if changed else ""),),
        settings=(),
        sections=(Section("", tuple(lines)),),
        notes=tuple(notes),
        warnings=tuple(findings.warnings),
        unit="IoU, accuracy and calibration errors in percent",
    )


def method_of(row: CalibrationRow) -> str:
    """Return what a network at a temperature is called."""
    return f"{row.network}, T = {row.temperature:.3f}" if row.temperature_from else row.network


def _rates(row: CalibrationRow) -> Sequence[float]:
    return (row.miou, row.aacc, row.ece, row.mce, row.adaptive_ece, row.classwise_ece, row.brier, row.nll)


def _with_digits(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple(replace(cell, digits=digits) for cell, digits in zip(cells, _DIGITS, strict=True))
