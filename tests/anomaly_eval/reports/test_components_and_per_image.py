"""Intervals beside the numbers, and the tables of components and of means over images, in every rendering."""

from __future__ import annotations

import math

import pytest

from anomaly_eval.reports.components_and_per_image import compare_components, compare_per_image
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.tables import results_latex, results_markdown, write_tables
from anomaly_eval.results.records import ComponentRow, DifferenceRow, IntervalRow, PerImageRow, Results
from tests.anomaly_eval.reports.conftest import LOST_AND_FOUND, ROAD_ANOMALY, terminal


@pytest.fixture
def measured(results: Results) -> Results:
    """The results by hand with intervals of MSP, components of two methods, and means over images."""
    intervals = [
        IntervalRow(dataset=name, method="msp", metric=metric, low=10.004, high=99.996, n_resamples=1000)
        for name in (LOST_AND_FOUND, ROAD_ANOMALY)
        for metric in ("auroc", "ap", "fpr95")
    ]
    difference = DifferenceRow(
        dataset=ROAD_ANOMALY,
        method="msp",
        other="sml",
        metric="ap",
        difference=0.5,
        low=-1.5,
        high=2.5,
        n_resamples=999,
    )
    components = [
        ComponentRow(
            dataset=ROAD_ANOMALY,
            method=method,
            track="anomaly",
            threshold=-0.5,
            threshold_from="best_f1",
            mean_siou=siou,
            mean_ppv=ppv,
            mean_f1=f1,
            n_components=12,
            n_predicted=7,
        )
        for method, siou, ppv, f1 in (("msp", 20.5, math.nan, 3.25), ("my_score", 30.25, 40.0, 2.0))
    ]
    means = PerImageRow(
        dataset=LOST_AND_FOUND,
        method="msp",
        per_image_auroc=91.125,
        per_image_ap=7.5,
        per_image_fpr95=33.0,
        n_images=25,
        n_left_out=1,
    )
    bootstrap = results.provenance.model_copy(update={"bootstrap": "middle 95 % of 1000 resamples, seed 7"})
    return results.model_copy(
        update={
            "intervals": intervals,
            "differences": [difference],
            "components": components,
            "per_image": [means],
            "provenance": bootstrap,
        }
    )


def test_intervals_stand_behind_the_numbers_they_belong_to(measured: Results) -> None:
    (line,) = (
        line for line in results_markdown(measured, False).splitlines() if line.startswith("| MSP") and "45" in line
    )
    assert line == (
        r"| MSP | <ins>86.99</ins> \[10.0, 100.0\] | <ins>6.02</ins> \[10.0, 100.0\] | 45.10 \[10.0, 100.0\] "
        r"| 56.49 \[10.0, 100.0\] | 11.49 \[10.0, 100.0\] | 83.45 \[10.0, 100.0\] |"
    )
    latex = results_latex(measured, False)
    assert r"\underline{6.02} {\scriptsize [10.0, 100.0]}" in latex
    assert latex.count("scriptsize") == 6
    assert "Intervals: middle 95 \\% of 1000 resamples, seed 7." in latex


@pytest.mark.parametrize("width", [60, 100, 300])
def test_terminals_of_any_width_show_whole_intervals(measured: Results, width: int) -> None:
    shown = terminal(measured, width=width)
    assert shown.count("[10.0, 100.0]") == 6
    assert "86.99 [10.0, 100.0]" in shown
    header, row = (next(line for line in shown.splitlines() if word in line) for word in ("AP", "86.99"))
    # Each metric ends where its interval does.
    assert header.index("AUROC ↑") + len("AUROC ↑") == row.index("]") + 1
    if width > 60:
        assert max(map(len, shown.splitlines()[:12])) <= max(width, 82)


def test_components_have_a_table_with_the_track_and_where_thresholds_come_from(measured: Results) -> None:
    table = compare_components(measured)
    (section,) = table.sections
    assert [line.name for line in section.lines] == ["MSP", "my_score"]
    assert [[cell.text for cell in line.cells[0]] for line in section.lines] == [
        ["20.50", "--", "3.25"],
        ["30.25", "40.00", "2.00"],
    ]
    assert (
        "12 components; anomaly track, with 100 pixels or more, predicted ones 500 or more; thresholds of the best"
        in table.notes[-3].text
    )
    shown = terminal(measured, width=120)
    assert "sIoU ↑" in shown and "30.25" in shown
    assert r"\textbf{30.25}" in latex_table(table)


def test_means_over_images_are_called_so(measured: Results) -> None:
    table = compare_per_image(measured)
    assert table.subject == "Means over images"
    assert tuple(metric.heading for metric in table.metrics) == ("mean AUROC ↑", "mean AP ↑", "mean FPR95 ↓")
    assert [cell.text for cell in table.sections[0].lines[0].cells[0]] == ["91.12", "7.50", "33.00"]
    notes = " ".join(note.text for note in table.notes)
    assert "26 of 100 images" in notes and "25 images; 1 without anomaly or inlier" in notes
    assert "cannot be compared with numbers of pooled pixels" in results_markdown(measured, False)


def test_everything_is_written_and_read_back(measured: Results, tmp_path) -> None:
    write_tables(measured, tmp_path, with_published=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("results.csv", "results.tex", "results.md", "intervals.csv", "differences.csv"),
        *("per_image.csv", "per_image.tex", "components.csv", "components.tex"),
    }
    assert (tmp_path / "differences.csv").read_text().splitlines()[1] == "road_anomaly,msp,sml,ap,0.5,-1.5,2.5,999"
    again = Results.model_validate_json(measured.model_dump_json())
    assert math.isnan(again.components[0].metrics["mean_ppv"])
    assert again.model_dump_json() == measured.model_dump_json()
