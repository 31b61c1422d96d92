"""The calibration of several networks as a table, for LaTeX, Markdown and the terminal."""

from __future__ import annotations

from pathlib import PurePath

from anomaly_eval.metrics import registry
from anomaly_eval.reports.comparison import (
    ComparisonTable,
    DatasetTitle,
    Line,
    Metrics,
    Section,
    ranked_cells,
    values_of,
)
from anomaly_eval.reports.notes import DAGGER, Note, deviations
from anomaly_eval.reports.origins import remarks
from anomaly_eval.studies.calibration.records import OF_CLASSES, CalibrationFindings, CalibrationRow


def compare_calibration(findings: CalibrationFindings) -> ComparisonTable:
    """Arrange a line for each network and temperature, in their order."""
    metrics: Metrics = (*OF_CLASSES, *registry.CALIBRATION)
    values = [[values_of(row.metrics, metrics)] for row in findings.rows]
    lines = [
        Line(method_of(row), "", (), cells)
        for row, cells in zip(findings.rows, ranked_cells(values, metrics), strict=True)
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
        how = f"Resolution: {model.resolution}, inference: {model.inference}."
        notes.append(Note("", " ".join([f"{name}: {checkpoint}.", how, *remarks(model)])))
    return ComparisonTable(
        subject="Calibration",
        metrics=metrics,
        datasets=(DatasetTitle(findings.dataset.title, DAGGER if changed else ""),),
        settings=(),
        sections=(Section("", tuple(lines)),),
        notes=tuple(notes),
        warnings=tuple(findings.warnings),
        unit="IoU, accuracy and calibration errors in percent",
    )


def method_of(row: CalibrationRow) -> str:
    """Return what a network at a temperature is called."""
    return f"{row.network}, T = {row.temperature:.3f}" if row.temperature_from else row.network
