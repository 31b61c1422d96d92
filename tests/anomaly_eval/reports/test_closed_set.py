"""The closed-set tables show the measured numbers and say how they were measured."""

from __future__ import annotations

import csv
import io
import math

import pytest

from anomaly_eval.reports.closed_set import compare_closed_set
from anomaly_eval.reports.notes import warnings_of
from anomaly_eval.reports.published import read_published_closed_set
from anomaly_eval.reports.tables import (
    closed_set_classes_csv,
    closed_set_csv,
    closed_set_latex,
    results_markdown,
    write_tables,
)
from anomaly_eval.results.records import ClosedSetClassRow, ClosedSetRow, Results
from tests.anomaly_eval.reports.conftest import record, terminal

NAN = float("nan")


def row(dataset: str, miou: float, macc: float, aacc: float, protocol: str) -> ClosedSetRow:
    counts = {"n_images": 4, "n_pixels": 7_435_420, "n_classes": 2}
    return ClosedSetRow(dataset=dataset, miou=miou, macc=macc, aacc=aacc, protocol=protocol, **counts)


def classes(dataset: str) -> list[ClosedSetClassRow]:
    values = [("road", 200 / 3, 1 / 3), ("a_b | *c*", 0.0, NAN), ("sky", NAN, NAN)]
    return [
        ClosedSetClassRow(
            dataset=dataset, class_id=index, name=name, iou=iou, acc=acc, n_label_pixels=index, n_predicted_pixels=7
        )
        for index, (name, iou, acc) in enumerate(values)
    ]


@pytest.fixture
def mixed(results: Results) -> Results:
    """Two closed-set datasets beside the two of anomalies; one of each is incomplete."""
    return results.model_copy(
        update={
            "closed_set": [
                row("cityscapes", 49.716122384569, 80.0, 95.5, "network: whole; native"),
                row("ade20k", 100 / 3, NAN, 1.0, "card: whole; short side 512, long side at most 2048"),
            ],
            "closed_set_classes": [*classes("cityscapes"), *classes("ade20k")],
            "datasets": [
                *results.datasets,
                record("cityscapes", "Cityscapes", 4, 500, "closed_set"),
                record("ade20k", "ADE20K", 4, 4, "closed_set"),
            ],
            "warnings": [*results.warnings, "cityscapes: 4 images found instead of 500"],
        }
    )


@pytest.fixture
def alone(mixed: Results) -> Results:
    """The closed-set datasets without the others."""
    records = [record for record in mixed.datasets if record.task == "closed_set"]
    return mixed.model_copy(update={"rows": [], "datasets": records, "warnings": ["about nothing in particular"]})


def test_csv_holds_the_rows_exactly(mixed: Results) -> None:
    for text, kind, expected in (
        (closed_set_csv(mixed), ClosedSetRow, mixed.closed_set),
        (closed_set_classes_csv(mixed), ClosedSetClassRow, mixed.closed_set_classes),
    ):
        read = [kind.model_validate(line) for line in csv.DictReader(io.StringIO(text))]
        assert [repr(row) for row in read] == [repr(row) for row in expected]


def test_the_record_survives_json(mixed: Results) -> None:
    again = Results.model_validate_json(mixed.model_dump_json())
    assert repr(again) == repr(mixed)
    assert math.isnan(again.closed_set_classes[2].metrics["iou"])


def test_latex_is_laid_out_as_table_1(mixed: Results) -> None:
    text = closed_set_latex(mixed, False)
    assert r"\caption{Closed-set segmentation (Cityscapes, ADE20K). All numbers in percent.}" in text
    assert r"\label{tab:closed-set-segmentation}" in text
    assert r"\multicolumn{3}{c}{Cityscapes$^\dagger$} & \multicolumn{3}{c}{ADE20K}" in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text
    assert r"Method & mIoU $\uparrow$ & mAcc $\uparrow$ & aAcc $\uparrow$ & mIoU" in text
    assert r"cgnet\_cityscapes\_100\% & 49.72 & 80.00 & 95.50 & 33.33 & nan & 1.00 \\" in text
    assert "Cityscapes: 4 of 500 images" in text and "Lost" not in text


def test_published_rows_have_a_backbone_and_one_number(mixed: Results) -> None:
    text = closed_set_latex(mixed, True)
    assert r"GMMSeg-SegFormer & MiTB5 & \textbf{82.60} & -- & -- & 50.60 & -- & --" in text
    assert r"MaskFormer & SwinBase & -- & -- & -- & \textbf{52.70} & -- & --" in text
    assert r"cgnet\_cityscapes\_100\% & -- & 49.72" in text
    assert "Table 1" in text and "not comparable with the published rows" in text
    published, measured = compare_closed_set(mixed, read_published_closed_set()).sections
    assert (len(published.lines), len(measured.lines)) == (13, 1)
    elsewhere = mixed.model_copy(update={"closed_set": [row("camvid", 1, 2, 3, "card: whole; native")]})
    assert "Nothing is published for" in closed_set_latex(elsewhere, True)
    assert compare_closed_set(elsewhere, read_published_closed_set()).sections == compare_closed_set(elsewhere).sections


def test_warnings_stand_below_the_table_of_their_dataset_whichever_run_they_are_of(mixed: Results) -> None:
    of_classes = ["cityscapes: 4 images", "one: cityscapes: 4 images", "group: one: ade20k: 5 images"]
    others = [
        "one: about nothing in particular",
        f"two: {mixed.datasets[0].name}: 26 images",
        "cityscapes lacks a colon",
    ]
    found = mixed.model_copy(update={"warnings": [*of_classes, *others]})
    assert warnings_of(found, "closed_set") == tuple(of_classes)
    assert warnings_of(found, "anomaly") == tuple(others)


@pytest.mark.parametrize("render", [lambda results: results_markdown(results, False), terminal])
def test_tables_for_people_name_protocols_classes_and_warnings(mixed: Results, render) -> None:
    text = " ".join(render(mixed).split())
    assert "Cityscapes: test settings of the network: whole; native; mIoU over 2 of 3 classes." in text
    assert "ADE20K: test settings of the card: whole; short side 512, long side at most 2048" in text
    assert "as in mmsegmentation, mIoU is the mean over classes that occur in a label or a prediction" in text
    assert "49.72" in text and "86.99" in text
    assert text.count("4 images found instead of 500") == 1
    assert text.count("26 of 100 images were found") == 1


def test_markdown_has_a_line_for_each_class(mixed: Results) -> None:
    text = results_markdown(mixed, False)
    lines = [line for line in text.splitlines() if line.startswith(("| road", "| a", "| sky"))]
    assert lines == 2 * ["| road | 66.67 | 0.33 |", r"| a_b \| \*c\* | 0.00 | -- |", "| sky | -- | -- |"]
    assert "Classes of Cityscapes, in percent:" in text


@pytest.mark.parametrize("width", [40, 100])
def test_the_terminal_shows_all_classes(mixed: Results, width: int) -> None:
    many = [
        row.model_copy(update={"name": f"{row.name} {index}"})
        for index in range(40)
        for row in classes("cityscapes")[:1]
    ]
    text = terminal(mixed.model_copy(update={"closed_set_classes": many}), width=width)
    for index in range(40):
        assert f"road {index} " in text
    assert text.count("66.67") == 40


def test_only_the_tables_of_what_was_evaluated_are_written(
    tmp_path, results: Results, mixed: Results, alone: Results
) -> None:
    ranking, classes = ["results.csv", "results.tex"], ["closed_set.csv", "closed_set.tex", "closed_set_classes.csv"]
    for name, found, expected in (("r", results, ranking), ("m", mixed, ranking + classes), ("a", alone, classes)):
        (tmp_path / name).mkdir()
        write_tables(found, tmp_path / name, False)
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == sorted([*expected, "results.md"])
    text = (tmp_path / "a/results.md").read_text()
    assert "AUROC" not in text and "about nothing in particular" in text
    assert (tmp_path / "r/results.csv").read_bytes() == (tmp_path / "m/results.csv").read_bytes()


def test_networks_under_other_test_settings_are_ranked_apart(alone: Results) -> None:
    networks = {
        "first": [row("ade20k", 30.0, 40.0, 50.0, "card: whole; short side 512")],
        "second": [row("ade20k", 31.0, 41.0, 51.0, "network: whole; native")],
        "third": [row("ade20k", 32.0, 42.0, 52.0, "card: slide; native")],
    }
    results = alone.model_copy(update={"closed_set": [one for rows in networks.values() for one in rows]})
    table = compare_closed_set(results, networks=networks)
    assert [section.title for section in table.sections] == [
        "test settings of the card",
        "test settings of the network",
    ]
    assert [[line.name for line in section.lines] for section in table.sections] == [["first", "third"], ["second"]]
    assert {cell.rank.value for line in table.sections[1].lines for cells in line.cells for cell in cells} == {"other"}
    published = compare_closed_set(results, read_published_closed_set(), networks)
    assert published.sections[-1].title == "Measured: test settings of the network"
