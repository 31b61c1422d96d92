"""Thresholds on several datasets, as a terminal shows them."""

from __future__ import annotations

import pytest

from anomaly_eval.results.records import OperatingRow, Results
from tests.anomaly_eval.reports.conftest import LOST_AND_FOUND, ROAD_ANOMALY, terminal


@pytest.fixture
def measured(results: Results) -> Results:
    """Thresholds alone: of two methods, on both datasets, with as many false alarms as there is room for and more."""
    rates = dict(tpr=95.0, fpr=12.25, precision=3.5, f1=6.75, iou=2.5)
    rows = [
        OperatingRow(
            dataset=dataset,
            method=method,
            point="tpr=0.95",
            learnt_on=ROAD_ANOMALY,
            threshold=0.123456,
            metrics=rates | {"false_alarms": alarms},
            n_images=10,
            n_anomaly_pixels=100,
            n_inlier_pixels=1000,
            n_false_alarms=10,
        )
        for dataset in (ROAD_ANOMALY, LOST_AND_FOUND)
        for method, alarms in (("MSP", 4.5), ("MaxLogit", 12345.25))
    ]
    return results.model_copy(update={"rows": [], "operating_points": rows})


@pytest.mark.parametrize("width", [80, 100, 200])
def test_columns_are_as_wide_as_they_need(measured: Results, width: int) -> None:
    table = terminal(measured, width=width).splitlines()
    table = table[: next(place for place, line in enumerate(table) if "Pixels are predicted" in line)]
    drawn = [line for line in table if "─" in line or any(name in line for name in ("MSP", "MaxLogit", "TPR"))]
    assert max(map(len, drawn)) <= width
    methods = [line.split() for line in drawn if "MSP" in line or "MaxLogit" in line]
    rates = ["95.00", "12.25", "3.50", "6.75", "2.50"]
    together = 2 if width == 200 else 1
    # Below each other where they do not fit beside each other.
    assert len(methods) == 4 // together
    assert [line[1:] for line in methods if line[0] == "MSP"] == [["0.123456", *[*rates, "4.50"] * together]] * (
        2 // together
    )
    (heading, *_), (row, *_) = ([line for line in drawn if word in line] for word in ("TPR", "MaxLogit"))
    for title, number in (("TPR ↑", "95.00"), ("Precision ↑", "3.50"), ("alarms ↓", "12345.25")):
        assert heading.index(title) + len(title) == row.index(number) + len(number)
    assert heading.index("IoU") - heading.index("F1 ↑") == len("F1 ↑ ")
