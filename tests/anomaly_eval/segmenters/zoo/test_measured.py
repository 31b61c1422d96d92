"""The networks that ship still measure what the report says, on the images that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_eval.cli.main import main
from anomaly_eval.runtime.shipped import shipped_folder
from anomaly_eval.segmenters.zoo import shipped_networks
from tests.anomaly_eval.commands import rows
from tests.shared_data import shared_data

DATASET = "smiyc_road_anomaly21"
REPORT = shipped_folder("reports") / "measured" / "cityscapes"


@pytest.mark.parametrize("name", [network.card.name for network in shipped_networks()])
def test_all_scores_of_roadanomaly21_are_those_of_the_report(name: str, tmp_path: Path) -> None:
    root = shared_data()
    expected = [row for row in rows(REPORT, "twins.csv") if (row["network"], row["dataset"]) == (name, DATASET)]
    options = ["--data-root", str(root), "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main(["eval", "--ckpt", name, "--dataset", DATASET, *options]) == 0
    found = {row["method"]: row for row in rows(tmp_path / "out")}
    assert {row["method"] for row in expected} == found.keys()
    for row in expected:
        for metric in ("auroc", "ap", "fpr95"):
            assert float(found[row["method"]][metric]) == pytest.approx(float(row[metric]), abs=0.01), row


@pytest.mark.parametrize("name", [network.card.name for network in shipped_networks()])
def test_the_card_has_the_figures_of_the_report(name: str) -> None:
    (card,) = (network.card for network in shipped_networks() if network.card.name == name)
    measured = {
        (row["dataset"], row["method"]): tuple(round(float(row[metric]), 2) for metric in ("auroc", "ap", "fpr95"))
        for row in rows(REPORT, "twins.csv")
        if row["network"] == name
    }
    told = {(result.dataset, score): values for result in card.anomaly for score, values in result.scores.items()}
    assert told == measured
