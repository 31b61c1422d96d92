"""Plans of the paper's shapes, small: classes alone, on a dataset of each network, beside what is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from anomaly_eval.reports.combining import read_run
from tests.anomaly_eval.commands import rows
from tests.anomaly_eval.studies.ablation.studies import ablate, trained_here, write_study
from tests.gmmseg.training.trainings import CARD


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two networks, on two datasets with the names of the paper's."""
    folder = tmp_path_factory.mktemp("paper")
    write_study(folder)
    for name in ("ade20k", "cityscapes"):
        card = CARD.replace("name: drawn", f"name: {name}").replace("title: Drawn", f"title: {name} drawn")
        (folder / f"{name}.yaml").write_text(card + "folders: [drawn]\n")
    plan = yaml.safe_load((folder / "study.yaml").read_text())
    for name in ("iterations", "resize", "resize_closed_set", "resamples"):
        plan.pop(name)
    softmax, gmmseg = (plan["networks"][name] for name in ("softmax", "mixtures"))
    plan["networks"] = {
        "softmax": {**softmax, "closed_set": str(folder / "ade20k.yaml")},
        "fitted": {"refit": "softmax", "components": 2, "closed_set": str(folder / "ade20k.yaml")},
        "gmmseg": {**gmmseg, "closed_set": str(folder / "cityscapes.yaml")},
    }
    plan["datasets"] = {"anomaly": [], "fit": plan["datasets"]["fit"]}
    plan["published"] = {"table": 1, "missing": {"SETR": "nobody drew it"}}
    plan["sections"] = [
        {
            "title": "First",
            "rows": [
                {"name": "Softmax", "network": "softmax", "published": "OCRNet"},
                {"name": "Fitted", "network": "fitted"},
            ],
        },
        {"title": "Second", "rows": [{"name": "GMMSeg", "network": "gmmseg", "published": "GMMSeg-OCRNet"}]},
    ]
    (folder / "study.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    with trained_here():
        assert ablate(folder) == 0
    return folder


def test_each_network_is_measured_on_its_own_dataset(study: Path) -> None:
    lines = rows(study / "out", "ablation.csv")
    assert [(line["row"], line["closed_set"]) for line in lines] == [
        ("Softmax", "ade20k"),
        ("Fitted", "ade20k"),
        ("GMMSeg", "cityscapes"),
    ]
    for line in lines:
        measured = read_run(study / "out" / "closed_set" / line["network"]).closed_set[0]
        assert float(line["miou"]) == measured.metrics["miou"]
        assert (line["score"], line["dataset"], line["auroc"], line["n_images"]) == ("", "", "", "0")


def test_published_rows_stand_below_those_of_the_same_dataset(study: Path) -> None:
    text = (study / "out" / "ablation.md").read_text()
    table = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("|")][2:]
    assert text.splitlines()[0] == "| Method | Classes mIoU ↑ | Classes ECE ↓ |"
    assert [line[0] for line in table] == [
        "*First*",
        "Softmax",
        "Fitted",
        "*First, published*",
        "SETR",
        "OCRNet",
        "*Second*",
        "GMMSeg",
        "*Second, published*",
        "SETR",
        "GMMSeg-OCRNet",
    ]
    # Table 1 has 48.2 and 43.3 on ADE20K, 79.2 and 81.2 on Cityscapes.
    found = {(index, line[0]): line[1].strip("*") for index, line in enumerate(table)}
    assert found[4, "SETR"] == "48.20" and "43.30" in found[5, "OCRNet"]
    assert "79.20" in found[9, "SETR"] and found[10, "GMMSeg-OCRNet"] == "81.20"
    assert all(line[2] == "--" for line in table if line[0] in ("SETR", "OCRNet", "GMMSeg-OCRNet"))
    assert "Trainings: as long as each config says, seed 0" in text
    assert "copied from GMMSeg, NeurIPS 2022, Table 1" in text
    assert "SETR, published only: nobody drew it." in text


def test_the_same_command_does_nothing_more(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate(study) == 0
    assert "9 of 9 steps are done already" in capsys.readouterr().err
    assert json.loads((study / "out" / "plan.json").read_text())["iterations"] is None
