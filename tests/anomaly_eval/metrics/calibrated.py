"""The calibration of a single map of probabilities."""

from __future__ import annotations

from anomaly_eval.metrics.calibration import CalibrationMetrics, CalibrationState


def calibration_metrics(probabilities, label, bins: int = 15) -> CalibrationMetrics:
    """probabilities: (classes, h, w); label: (h, w), uint8."""
    state = CalibrationState(len(probabilities), bins)
    state.update_probabilities(probabilities, label)
    return state.compute()
