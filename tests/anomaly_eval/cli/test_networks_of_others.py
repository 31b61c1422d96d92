"""The command with networks as others write them: class names in any spelling, modules of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from anomaly_eval.cli.main import main
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import assert_refused, read
from tests.anomaly_eval.segmenters.test_imports import CODE, OWN

NAMES = list(networks.CLASSES)


def named(path: Path, meta: dict[str, object]) -> None:
    """Write a checkpoint that notes its classes so."""
    config = Config(dict(model=networks.CGNET), format_python_code=False).pretty_text
    torch.save({"meta": {"cfg": config} | meta, "state_dict": networks.build(networks.CGNET).state_dict()}, path)


@pytest.mark.parametrize(
    "meta",
    [
        {"dataset_meta": {"CLASSES": NAMES[::-1]}},
        {"CLASSES": NAMES[::-1]},
        {"dataset_meta": {"class_names": [name.upper() for name in NAMES[::-1]]}},
        {"id2label": dict(enumerate(NAMES[::-1]))},
        {"classes": [NAMES[1], NAMES[0], *NAMES[2:]]},
    ],
)
@pytest.mark.parametrize("command", ["eval", "fit"])
def test_another_order_of_the_classes_is_refused(tmp_path, data, checkpoint, capsys, meta, command):
    named(checkpoint, meta)
    out = "out" if command == "eval" else "stats.safetensors"
    words = [command, "--ckpt", checkpoint, "--dataset", tmp_path / "training.yaml", "--data-root", data]
    code = main([*map(str, words), "--out", str(tmp_path / out), "--device", "cpu"])
    assert_refused((code, "", capsys.readouterr().err), "class 0 is 'sky' in the dataset and", "in the network")
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize(
    "meta", [{"CLASSES": [name.upper() for name in NAMES]}, {"classes": [f" {name}_" for name in NAMES]}]
)
def test_names_that_differ_in_case_spaces_and_underscores_are_equal(tmp_path, checkpoint, evaluate, meta):
    named(checkpoint, meta)
    code, _, errors = evaluate(dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    results = read(tmp_path)
    assert results.provenance.model.class_names_from == "the checkpoint"
    assert not any("order" in warning for warning in results.warnings)


def test_where_nothing_names_the_classes_that_is_said(tmp_path, checkpoint, evaluate):
    named(checkpoint, {})
    code, output, errors = evaluate(dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    said = "nothing says what the classes of the network are called, so their order could not be checked"
    results = read(tmp_path)
    assert said in " ".join((output + errors).split()) and any(said in warning for warning in results.warnings)
    assert results.provenance.model.class_names_from == "nowhere"


@pytest.fixture
def own_backbone(tmp_path, checkpoint):
    """A network with a backbone of one's own, and the file that registers it."""
    path = tmp_path / "backbone_of_a_user.py"
    path.write_text(CODE)
    config = Config({"model": OWN, "custom_imports": {"imports": [path.stem]}}, format_python_code=False).pretty_text
    weights = networks.build(networks.CGNET).state_dict()
    torch.save({"meta": {"cfg": config, "CLASSES": NAMES}, "state_dict": weights}, checkpoint)
    before = list(sys.path)
    yield path
    MODELS.module_dict.pop("BackboneOfOnesOwn", None)
    sys.modules.pop(path.stem, None)
    sys.path[:] = before


def test_an_own_backbone_runs_with_import_and_after_mixtures_were_fitted(
    tmp_path, data, checkpoint, evaluate, capsys, own_backbone
):
    code, _, errors = evaluate("--scores", "msp")
    assert_refused((code, "", errors), "BackboneOfOnesOwn", "backbone_of_a_user", "--import")
    code, _, errors = evaluate("--scores", "msp", "--import", str(own_backbone))
    assert code == 0, errors
    MODELS.module_dict.pop("BackboneOfOnesOwn")
    sys.modules.pop(own_backbone.stem)
    words = ["--ckpt", str(checkpoint), "--dataset", str(tmp_path / "training.yaml"), "--data-root", str(data)]
    words += ["--device", "cpu", "--import", str(own_backbone)]
    assert main(["fit-mixtures", *words, "--out", str(tmp_path / "gmm.pth"), "--components", "2"]) == 0
    capsys.readouterr()
    code, _, errors = evaluate("--import", str(own_backbone), "--overwrite", ckpt=str(tmp_path / "gmm.pth"))
    assert code == 0, errors
    assert "gmmseg" in {row.method for row in read(tmp_path).rows}
    exported = ["networks", "export", str(checkpoint), "--out", str(tmp_path / "net.safetensors")]
    assert main([*exported, "--import", str(own_backbone)]) == 0


def test_what_was_learnt_with_a_module_is_refused_once_the_module_changes(
    tmp_path, data, checkpoint, evaluate, capsys, own_backbone
):
    imported = ["--import", str(own_backbone)]
    statistics = tmp_path / "statistics.safetensors"
    words = ["--ckpt", str(checkpoint), "--dataset", str(tmp_path / "training.yaml"), "--data-root", str(data)]
    assert main(["fit", *words, "--device", "cpu", *imported, "--out", str(statistics), "--scores", "sml"]) == 0
    capsys.readouterr()
    learnt = ["--scores", "sml", "--stats", str(statistics)]
    code, _, errors = evaluate(*learnt, *imported, "--operating-points", "f1")
    assert code == 0, errors
    own_backbone.write_text(CODE + "# changed\n")
    MODELS.module_dict.pop("BackboneOfOnesOwn")
    sys.modules.pop(own_backbone.stem)
    away = {"out": str(tmp_path / "away")}
    assert_refused(evaluate(*learnt, *imported, **away), f"{statistics} were fitted with other modules of --import")
    thresholds = ["--scores", "sml", "--fit-dataset", str(tmp_path / "training.yaml")]
    thresholds += ["--thresholds", str(tmp_path / "out" / "thresholds.json")]
    assert_refused(evaluate(*thresholds, *imported, **away), "were chosen with other modules of --import")
