"""What `ablate` refuses before the first training: exit code 2, one sentence, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from anomaly_eval.errors import InputError
from anomaly_eval.studies.ablation import run
from tests.anomaly_eval.commands import assert_refused
from tests.anomaly_eval.studies.ablation.studies import ablate, write_study

pytestmark = pytest.mark.usefixtures("nothing_is_trained")


@pytest.mark.parametrize(
    ("words", "where", "told"),
    [
        (["--only", "Softmaks"], {}, "the nearest known one is 'Softmax'"),
        (["--init-from", "none.pth"], {}, "check --init-from"),
        ([], {"device": "cuda"}, "use --device cpu"),
        ([], {"data": Path("/no/such/root")}, "/no/such/root"),
    ],
)
def test_words(
    words: list[str], where: dict[str, Any], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path)
    code = ablate(tmp_path, *words, **where)
    assert_refused((code, "", capsys.readouterr().err), told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"networks": {"softmax": {"config": "no_such_config"}}}, ["network softmax", "there is no config"]),
        (
            {"networks": {"softmax": {"config": "CONFIG", "options": ["model.decode_head.mixture.components=many"]}}},
            ["network softmax", "components is 'many'"],
        ),
        ({"datasets": {"anomaly": ["CLASSES"], "fit": "CLASSES"}}, ["as an anomaly dataset, which it is not"]),
        (
            {"datasets": {"anomaly": ["ANOMALIES"], "closed_set": "ANOMALIES", "fit": "CLASSES"}},
            ["as a closed-set dataset, which it is not"],
        ),
        ({"resize": "huge"}, ["'huge' is not understood"]),
        ({"resize_closed_set": "tiny"}, ["'tiny' is not understood"]),
        ({"networks": {"softmax": {"config": "CONFIG", "resize": 40}}}, ["resize is for a refit"]),
        ({"score": "gmmseg"}, ["'R'", "the network softmax gives none"]),
        ({"score": "softmax"}, ["there is no score 'softmax'"]),
        ({"classes": "[sky, road, car, hat]"}, ["3 classes, the closed-set dataset", "drawn.yaml 4;"]),
    ],
)
def test_plans(change: dict[str, Any], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path)
    plan = yaml.safe_load(path.read_text())
    change = dict(change)
    row = {"name": "R", "network": "softmax", "scores": [change.pop("score", "msp")]}
    plan |= {"sections": [{"title": "S", "rows": [row]}], **change}
    if "classes" in plan:
        (tmp_path / "drawn.yaml").write_text(
            (tmp_path / "drawn.yaml").read_text().replace("[sky, road, car]", plan.pop("classes"))
        )
    text = yaml.safe_dump(plan).replace("ANOMALIES", str(tmp_path / "odd.yaml"))
    text = text.replace("CLASSES", str(tmp_path / "drawn.yaml")).replace("CONFIG", str(tmp_path / "study-gmmseg.py"))
    path.write_text(text)
    code = ablate(tmp_path)
    assert_refused((code, "", capsys.readouterr().err), *told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"features": "projection"}, ["the refit refitted", "of the projection", "the network softmax is none"]),
        ({"features": "embedding"}, ["the refit refitted", "of the embedding", "features: input"]),
        ({"dataset": "OTHER"}, ["the network refitted has 3 classes, the fitting dataset", "other.yaml 4"]),
    ],
)
def test_refits_that_can_only_fail(
    fields: dict[str, str], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(tmp_path)
    other = _with_four_classes(tmp_path)
    plan = yaml.safe_load(path.read_text())
    plan["networks"]["refitted"] |= {name: value.replace("OTHER", str(other)) for name, value in fields.items()}
    path.write_text(yaml.safe_dump(plan))
    code = ablate(tmp_path, "--only", "Refit")
    assert_refused((code, "", capsys.readouterr().err), *told)
    assert not (tmp_path / "out").exists()


def test_statistics_of_other_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path)
    plan = yaml.safe_load(path.read_text())
    plan["datasets"]["fit"] = str(_with_four_classes(tmp_path))
    path.write_text(yaml.safe_dump(plan))
    code = ablate(tmp_path, "--only", "Softmax")
    assert_refused((code, "", capsys.readouterr().err), "network softmax has 3 classes, the fitting dataset", " 4;")
    # Nothing is fitted for this one.
    with pytest.raises(AssertionError, match="a training was started"):
        ablate(tmp_path, "--only", "GMMSeg")


def test_a_score_of_linear_classifiers_on_mixtures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path)
    plan = yaml.safe_load(path.read_text())
    plan["sections"][1]["rows"] = [{"name": "V", "network": "refitted", "scores": ["vim"]}]
    path.write_text(yaml.safe_dump(plan))
    told = (
        "which needs a linear last layer, and the network refitted gives none; leave the score out, or name a softmax"
    )
    assert_refused((ablate(tmp_path, "--only", "V"), "", capsys.readouterr().err), told)
    plan["sections"][1]["rows"][0]["network"] = "softmax"
    path.write_text(yaml.safe_dump(plan))
    with pytest.raises(AssertionError, match="a training was started"):
        ablate(tmp_path, "--only", "V")


def test_a_refit_of_a_refit_has_an_embedding(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    plan = yaml.safe_load(path.read_text())
    plan["networks"]["again"] = {"refit": "refitted", "features": "embedding"}
    plan["sections"][1]["rows"].append({"name": "Again", "network": "again", "scores": ["gmmseg"]})
    path.write_text(yaml.safe_dump(plan))
    with pytest.raises(AssertionError, match="a training was started"):
        ablate(tmp_path, "--only", "Again")


def _with_four_classes(folder: Path) -> Path:
    """Write the card of the same images with a class more."""
    text = (folder / "drawn.yaml").read_text()
    (folder / "other.yaml").write_text(text.replace("[sky, road, car]", "[sky, road, car, hat]"))
    return folder / "other.yaml"


def test_a_training_that_fails_is_told_with_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed(trainings: Any, *_: Any, **__: Any) -> None:
        trainings[0].log.write_text("error: no.")
        raise InputError("the training of softmax failed: no.")

    monkeypatch.setattr(run, "train_all", failed)
    write_study(tmp_path)
    code = ablate(tmp_path)
    errors = capsys.readouterr().err
    assert "to train: softmax, mixtures" in errors
    assert_refused((code, "", errors.split("mixtures\n")[1]), "the training of softmax failed")
    # It may take hours to fail so again.
    assert (tmp_path / "out" / "training" / "softmax.log").read_text() == "error: no."
