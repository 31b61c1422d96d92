"""All published tables are read by number, as the paper printed them."""

from __future__ import annotations

import csv

import pytest

from anomaly_eval.reports.published import read_published, read_published_closed_set
from anomaly_eval.reports.published_tables import published_numbers, read_published_runtime, read_published_table
from anomaly_eval.runtime.shipped import shipped_folder

METRICS = ("_miou", "_auroc", "_ap", "_fpr95")


def test_rows_have_names_of_their_own() -> None:
    assert list(published_numbers()) == [1, 2, 3, 4, 5]
    assert read_published_table(3).rows["DeepLabV3+ + GMM"] == {"ade20k": {"miou": 31.6}}
    assert read_published_table(4).rows["discriminative"] == {
        "cityscapes": {"miou": 81.0},
        "fishyscapes_lostandfound": {"auroc": 89.77, "ap": 17.68, "fpr95": 51.81},
    }
    table = read_published_table(5)
    assert table.rows["em: vanilla loop 10"] == {"ade20k": {"miou": 44.8}}
    assert table.rows["components: 15"] == {"ade20k": {"miou": 45.7}}
    assert table.source.endswith("Table 5")


def test_the_first_two_are_those_of_the_reports() -> None:
    assert {row.method: row.miou for row in read_published_closed_set()} == {
        name: {dataset: found["miou"] for dataset, found in row.items()}
        for name, row in read_published_table(1).rows.items()
    }
    for row in read_published():
        of_classes = {} if row.miou is None else {"cityscapes": {"miou": row.miou}}
        assert read_published_table(2).rows[row.method] == row.metrics | of_classes


@pytest.mark.parametrize("number", published_numbers())
def test_every_number_is_read(number: int) -> None:
    path = shipped_folder("reports") / "published" / published_numbers()[number]
    lines = list(csv.DictReader(path.read_text().splitlines()))
    printed = [float(text) for line in lines for column, text in line.items() if column.endswith(METRICS) and text]
    rows = read_published_table(number).rows
    assert printed and len(rows) == len(lines)
    assert sorted(printed) == sorted(
        value for row in rows.values() for found in row.values() for value in found.values()
    )


def test_the_runtime() -> None:
    assert read_published_runtime() == {"softmax DeepLabV3+": 14.16, "GMMSeg-DeepLabV3+": 13.37}
