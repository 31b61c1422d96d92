"""The demo as the README gives it, in its quick form: from nothing to tables, pictures and a page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.studies.demo.plan import DemoPlan
from anomaly_eval.studies.trainings import Training
from tests.anomaly_eval.commands import assert_refused
from tests.gmmseg.training.trainings import leave_unformatted_elsewhere


class TinyPlan(DemoPlan):
    """A plan for as little as can be trained on and measured."""

    @property
    def options(self) -> list[str]:
        return [*super().options, "train_dataloader.batch_size=2"]


TINY = TinyPlan(train=4, val=1, test=2, iterations=2, pictures=1, warm_up=1)


@pytest.fixture(autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unformatted_elsewhere(tmp_path_factory.mktemp("modules"), monkeypatch)
    monkeypatch.setattr(DemoPlan, "of", classmethod(lambda cls, minutes, quick: TINY))


def scores(folder: Path, kind: str) -> dict[str, dict[str, str]]:
    with (folder / kind / "results.csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_from_nothing_to_a_page_and_the_same_numbers_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--out", str(out)]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "mean IoU" in printed and "ECE" in printed and str(out / "index.html") in printed

    softmax, gmmseg = scores(out, "softmax"), scores(out, "gmmseg")
    assert {"msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"} == set(softmax)
    assert set(gmmseg) - set(softmax) == {"gmmseg", "gmmseg_logsumexp", "gmmseg_normalised"}
    record = json.loads((out / "demo.json").read_text())
    assert record["iterations"] == TINY.iterations
    for network in record["networks"]:
        assert 0 <= network["miou"] <= 100 and 0 <= network["ece"] <= 100
        assert len(network["rows"]) == len(scores(out, network["kind"]))
        assert (out / "training" / network["kind"] / "weights.pth").is_file()
        assert len(list((out / network["kind"]).rglob("heatmaps/**/*.png"))) == len(network["rows"])
    page = (out / "index.html").read_text()
    for name in ("comparison.png", "reliability.png"):
        assert f'src="{name}"' in page
        with Image.open(out / name) as picture:
            assert picture.width > 600

    # A demo of ours is replaced, and says the same.
    assert main(["demo", "--quick", "--out", str(out), "--overwrite"]) == 0, capsys.readouterr().err
    assert scores(out, "softmax") == softmax
    assert scores(out, "gmmseg") == gmmseg
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code = main(["demo", "--out", str(tmp_path), "--overwrite"])
    assert_refused((code, "", capsys.readouterr().err), "demo.json")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_training_that_fails_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = property(lambda self: ["train", "no_such_config", "--out", str(self.out)])
    monkeypatch.setattr(Training, "words", words)
    # That the others are stopped is tested beside `train_all`.
    monkeypatch.setattr("anomaly_eval.studies.demo.run.TWINS", {"softmax": "Softmax"})
    code = main(["demo", "--out", str(tmp_path / "demo")])
    # Before it stands how far the drawing is, where that takes long.
    error = capsys.readouterr().err.splitlines()[-1]
    assert_refused((code, "", error), "training of", "there is no config no_such_config")
    assert list(tmp_path.iterdir()) == []
