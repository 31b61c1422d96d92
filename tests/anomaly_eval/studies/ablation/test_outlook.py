"""`ablate --dry-run`: what would be done, what was measured, what is missing; nothing is done or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from anomaly_eval.studies.ablation.first_weights import missing_weights
from anomaly_eval.studies.ablation.networks import calls_operations
from tests.anomaly_eval.studies.ablation.studies import ablate, copied, write_study

DryRun = Callable[..., str]

pytestmark = pytest.mark.usefixtures("nothing_is_trained")


@pytest.fixture
def dry_run(capsys: pytest.CaptureFixture[str]) -> DryRun:
    """Ask for a dry run, which succeeds and writes nothing; return what it says."""

    def run(folder: Path, *words: str, **where: Path) -> str:
        before = contents(folder)
        assert ablate(folder, "--dry-run", *words, **where) == 0
        assert contents(folder) == before
        return capsys.readouterr().out

    return run


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_new_study_with_all_that_it_needs(tmp_path: Path, dry_run: DryRun) -> None:
    write_study(tmp_path)
    text = dry_run(tmp_path)
    option = "model.decode_head.mixture.components=3"
    assert ["softmax", "study-softmax", "4", "2", "not", "measured"] in lines(text)
    assert ["mixtures", "study-gmmseg", "4", "2", "not", "measured", option] in lines(text)
    assert "all with default_hooks.checkpoint.interval=2" in text
    assert "  refitted  softmax (study-softmax.py), components 2, pixels_per_class 50" in text
    assert any(line[:2] == ["softmax", "evaluate"] and "mahalanobis," in line for line in lines(text))
    assert [line.split(":")[1] for line in text.splitlines() if line.startswith(("Train", "Mix", "Eval"))] == [
        " 2",
        " 1",
        " 9",
    ]
    assert "Hours measured so far: not measured, of 0 of 12 steps." in text
    assert text.endswith("Nothing is missing.\n")
    assert not (tmp_path / "out").exists()


def test_only_some_rows_and_another_length(tmp_path: Path, dry_run: DryRun) -> None:
    write_study(tmp_path)
    text = dry_run(tmp_path, "--only", "At first", "--iterations", "7")
    assert ["softmax", "study-softmax", "7", "2", "not", "measured"] in lines(text)
    assert "mixtures" not in text and "refitted" not in text


def test_hours_are_those_of_the_finished_steps_of_the_folder(finished: Path, tmp_path: Path, dry_run: DryRun) -> None:
    study = copied(finished, tmp_path / "study")
    record = json.loads((study / "steps.json").read_text())
    for number, step in enumerate(record["steps"]):
        step |= {"seconds": 3600.0 * 2**number, "resumed": (step["kind"], step["network"]) == ("train", "mixtures")}
    (study / "steps.json").write_text(json.dumps(record))
    hours = {(step["kind"], step["network"]): f"{step['seconds'] / 3600:.3g}" for step in record["steps"]}
    text = dry_run(finished, out=study)
    assert "Trainings: 2, of which 2 are done" in text
    assert ["softmax", "study-softmax", "4", "2", hours["train", "softmax"]] in lines(text)
    assert ["at", "least", hours["train", "mixtures"]] in [line[4:7] for line in lines(text)]
    assert f"Hours measured so far: {2**12 - 1:.3g}, of 12 of 12 steps." in text
    # What is gone was measured once, and is to be done all the same; so is what was made of it.
    (study / "training" / "softmax" / "weights.pth").unlink()
    text = dry_run(finished, out=study)
    assert "Trainings: 2, of which 1 is done" in text
    assert ["softmax", "study-softmax", "4", "2", "not", "measured"] in lines(text)
    assert "Hours measured so far: not measured" in dry_run(finished, "--overwrite", out=study)


def test_all_that_is_missing_is_said_at_once(tmp_path: Path, dry_run: DryRun) -> None:
    others = {"mixtures": {"config": "no_such_config"}, "refitted": {"refit": "softmax", "components": 2}}
    write_study(tmp_path, networks={"softmax": {"config": str(tmp_path / "study-softmax.py")}, **others})
    (tmp_path / "data" / "odd" / "images" / "1.png").unlink()
    text = dry_run(tmp_path, "--init-from", str(tmp_path / "none.pth"))
    missing = text.split("Missing:\n")[1].splitlines()
    assert any("the network mixtures cannot be trained: there is no config" in line for line in missing)
    assert any("odd" in line and "labels" in line for line in missing)
    assert any(f"there is no checkpoint file {tmp_path / 'none.pth'}" in line for line in missing)


def test_a_folder_of_another_study_is_in_the_way(finished: Path, dry_run: DryRun) -> None:
    text = dry_run(finished, "--seed", "1", out=finished / "out")
    assert "holds results of another study: seed was 0 and is 1" in text.split("Missing:\n")[1]


SMALL = dict(in_channels=8, channels=4, num_classes=3)
SWIN = dict(type="SwinTransformer", embed_dims=8, depths=[1], num_heads=[1], strides=[4], out_indices=[0])


@pytest.mark.parametrize(
    ("part", "calls"),
    [
        (dict(type="CCHead", **SMALL), True),
        (dict(type="PointHead", **SMALL | dict(in_channels=[8], in_index=[0])), True),
        (dict(type="FCNHead", **SMALL), False),
        # Made of layers beside which mmcv itself imports operations.
        (SWIN, False),
    ],
)
def test_which_networks_call_compiled_operations(part: dict[str, Any], calls: bool) -> None:
    init_default_scope("mmseg")
    assert calls_operations(MODELS.build(part)) == calls


def test_weights_that_would_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for source, name in (
        ("open-mmlab://resnet101_v1c", "resnet101_v1c-e67eebb6.pth"),
        ("https://somewhere.org/a/mit_b5.pth", "mit_b5.pth"),
    ):
        path = tmp_path / "hub" / "checkpoints" / name
        said = missing_weights(source)
        assert said is not None and said.endswith(f"{name} would be downloaded to {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert missing_weights(source) is None
    assert missing_weights(str(tmp_path / "own.pth")) == f"the pretrained weights {tmp_path / 'own.pth'} are not there"
    assert missing_weights(str(path)) is None
    assert "EfficientNet-Lite9 are not installed" in str(missing_weights("efficientnet-lite:9"))
