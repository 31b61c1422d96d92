"""`gmmseg-anomaly grid` as a user meets it: words to the figure and its record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.anomaly_eval.commands import Answer, Command, assert_refused


@pytest.fixture
def grid(tmp_path: Path, data: Path, checkpoint: Path, command: Command) -> Command:
    """Run `grid` on the drawn anomalies and return what it answers."""

    def run(*words: str, dataset: str = "road_anomaly") -> Answer:
        places = ["--data-root", data, "--out", tmp_path / "grid", "--device", "cpu"]
        return command("grid", "--ckpt", checkpoint, "--dataset", dataset, *places, *words)

    return run


def test_named_images_and_scores(tmp_path: Path, grid) -> None:
    code, output, errors = grid("--images", "1", "3", "--scores", "msp", "entropy", "--names", "a network")
    assert code == 0, errors
    assert {path.suffix for path in tmp_path.glob("grid.*")} == {".pdf", ".png", ".json"}
    record = json.loads((tmp_path / "grid.json").read_text())
    assert [image["id"] for image in record["images"]] == ["1", "3"]
    assert record["networks"][0]["name"] == "a network"
    assert record["command"].startswith("gmmseg-anomaly grid --ckpt")
    assert output.count("Written: ") == 3


def test_chosen_images_of_classes(tmp_path: Path, grid) -> None:
    code, _, errors = grid("--choose", "worst", "--measure", "accuracy", dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    (image,) = json.loads((tmp_path / "grid.json").read_text())["images"]
    assert image["choice"] == "worst"
    assert grid("--choose", "worst", "best", "--overwrite", dataset=str(tmp_path / "training.yaml"))[0] == 0
    assert [one["choice"] for one in json.loads((tmp_path / "grid.json").read_text())["images"]] == ["worst", "best"]


def test_refusals(tmp_path: Path, grid) -> None:
    assert_refused(grid("--choose", "nicest"), "'nicest'", "best, median, worst")
    assert_refused(grid("--measure", "beauty"), "'beauty'", "auroc, ap, fpr95, miou, accuracy")
    assert_refused(grid("--images", "nothing"), "nothing")
    assert_refused(grid("--measure", "miou"), "miou", "auroc or ap")
    assert not list(tmp_path.glob("grid.*"))
