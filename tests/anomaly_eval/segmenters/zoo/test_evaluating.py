"""`eval` with the name of a shipped network: its weights, its size of input, and its statistics."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import anomaly_eval
from anomaly_eval.results.origins import ModelRecord
from gmmseg.checkpoints import sha256_of_file
from tests.anomaly_eval.commands import Command, assert_refused, nothing_left, read, rows
from tests.anomaly_eval.segmenters.zoo.stand_in import NAME, SIZE, rounded, write_card

SHIPPED = "these statistics ship with the network"


def model(folder: Path) -> ModelRecord:
    found = read(folder).provenance.model
    assert isinstance(found, ModelRecord)
    return found


def test_all_scores_by_name_alone_are_those_of_the_rounded_checkpoint(
    tmp_path: Path, zoo: Path, gmm: Path, evaluate: Command
) -> None:
    code, output, errors = evaluate(ckpt=NAME)
    assert code == 0, errors
    by_name = tmp_path / "by_name"
    (tmp_path / "out").rename(by_name)
    path = rounded(gmm, zoo / f"{NAME}.safetensors")
    assert evaluate("--fit-dataset", str(tmp_path / "training.yaml"), ckpt=str(path), resize=SIZE)[0] == 0
    usual = ["msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"]
    assert [row["method"] for row in rows(by_name)] == [*usual, "gmmseg", "gmmseg_logsumexp", "gmmseg_normalised"]
    assert (by_name / "results.csv").read_text() == (tmp_path / "out" / "results.csv").read_text()
    assert SHIPPED[1:] in output and "Resolution: short side 32 (the network's own)" in output
    assert not model(tmp_path).own_resize
    (tmp_path / "out").rename(tmp_path / "fitted")
    by_name.rename(tmp_path / "out")
    results = read(tmp_path)
    assert not any("want of statistics" in warning for warning in results.warnings)
    assert (model(tmp_path).resize, model(tmp_path).own_resize) == ("short side 32", True)
    assert model(tmp_path).checkpoint == f"{NAME}.safetensors"
    assert model(tmp_path).checkpoint_sha256 == sha256_of_file(zoo / f"{NAME}.safetensors")
    for score in ("sml", "mahalanobis"):
        fit = results.provenance.fits[score]
        assert (fit.dataset, fit.n_images, fit.notes[-1]) == ("training", 3, SHIPPED)


def test_a_size_that_is_asked_for_goes_before_the_networks_own(tmp_path: Path, zoo: Path, evaluate: Command) -> None:
    assert evaluate("--scores", "sml", "msp", ckpt=NAME, resize=SIZE)[0] == 0
    assert (model(tmp_path).resize, model(tmp_path).own_resize) == ("short side 32", False)
    assert read(tmp_path).provenance.fits["sml"].notes[-1] == SHIPPED
    shutil.rmtree(tmp_path / "out")
    code, _, errors = evaluate(ckpt=NAME, resize="0.25x")
    assert code == 0 and "left out for want of statistics: sml, mahalanobis" in errors
    assert (model(tmp_path).resize, model(tmp_path).own_resize) == ("0.25x", False)
    assert read(tmp_path).provenance.fits == {}
    shutil.rmtree(tmp_path / "out")
    assert_refused(evaluate("--scores", "sml", ckpt=NAME, resize="0.25x"), "sml needs statistics")
    assert nothing_left(tmp_path)


def test_statistics_of_the_user_go_before_those_that_ship(tmp_path: Path, zoo: Path, evaluate: Command) -> None:
    assert evaluate("--fit-dataset", str(tmp_path / "training.yaml"), "--scores", "sml", ckpt=NAME)[0] == 0
    assert SHIPPED not in read(tmp_path).provenance.fits["sml"].notes
    shutil.rmtree(tmp_path / "out")
    shutil.copy(zoo / f"{NAME}.statistics.safetensors", tmp_path / "own.safetensors")
    assert evaluate(ckpt=NAME, stats=str(tmp_path / "own.safetensors"))[0] == 0
    assert SHIPPED not in read(tmp_path).provenance.fits["sml"].notes


def test_with_a_config_of_the_user_no_statistics_are_used(tmp_path: Path, zoo: Path, evaluate: Command) -> None:
    config = tmp_path / "own.py"
    from tests.anomaly_eval import networks

    model_settings = {**networks.CGNET, "decode_head": {**networks.CGNET["decode_head"], "type": "GMMSegHead"}}
    model_settings["decode_head"] |= {"architecture": "FCNHead", "mixture": dict(dimensions=8, components=3)}
    config.write_text(f"custom_imports = dict(imports=['gmmseg.heads'])\nmodel = {model_settings!r}\n")
    code, _, errors = evaluate(ckpt=NAME, config=str(config))
    assert code == 0 and "left out for want of statistics: sml, mahalanobis" in errors
    assert model(tmp_path).own_resize


def test_the_closed_set_is_tested_at_the_networks_own_size(tmp_path: Path, zoo: Path, evaluate: Command) -> None:
    code, output, errors = evaluate(ckpt=NAME, dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    wanted = "network, at the network's own size: whole; short side 32"
    assert read(tmp_path).closed_set[0].protocol == wanted and wanted in " ".join(output.split())


def test_the_same_from_python(tmp_path: Path, data: Path, zoo: Path, evaluate: Command) -> None:
    assert evaluate(ckpt=NAME)[0] == 0
    found = anomaly_eval.evaluate(NAME, "road_anomaly", data_root=data, device="cpu", progress=False)
    assert [row.model_dump() for row in found.results.rows] == [row.model_dump() for row in read(tmp_path).rows]


def test_a_changed_file_is_refused(tmp_path: Path, zoo: Path, evaluate: Command) -> None:
    path = zoo / f"{NAME}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert_refused(evaluate(ckpt=NAME), f"{NAME}.safetensors is not the file whose sha256 the card", "install")
    path.unlink()
    assert_refused(evaluate(ckpt=NAME), f"{NAME}.safetensors cannot be read (No such file", "install")
    assert nothing_left(tmp_path)


def test_statistics_of_another_network_are_refused(tmp_path: Path, zoo: Path, gmm: Path, evaluate: Command) -> None:
    from tests.anomaly_eval import networks
    from tests.anomaly_eval.segmenters.zoo.stand_in import add

    add(zoo, "other", networks.save(tmp_path / "other.pth", networks.CGNET))
    write_card(zoo, "other", statistics={SIZE: f"{NAME}.statistics.safetensors"})
    assert_refused(evaluate(ckpt="other"), f"{NAME}.statistics.safetensors were fitted with another checkpoint")
    assert nothing_left(tmp_path)


def test_unknown_names_are_refused_with_the_nearest(zoo: Path, evaluate: Command) -> None:
    told = f"there is no checkpoint file gmmseg_standin_training; did you mean {NAME}? check --ckpt, or choose a"
    assert_refused(evaluate(ckpt="gmmseg_standin_training"), told, f"shipped network: {NAME}.")
    assert_refused(evaluate(ckpt="none.pth"), f"none.pth; check --ckpt, or choose a shipped network: {NAME}.")
    (zoo / f"{NAME}.yaml").unlink()
    assert_refused(evaluate(ckpt="none.pth"), "there is no checkpoint file none.pth; check --ckpt.")


def test_a_file_hides_a_network_and_a_folder_does_not(
    tmp_path: Path, zoo: Path, checkpoint: Path, evaluate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir(NAME)
    assert evaluate("--scores", "msp", ckpt=NAME)[0] == 0
    assert model(tmp_path).own_resize
    os.rmdir(NAME)
    shutil.rmtree("out")
    shutil.copy(checkpoint, NAME)
    assert evaluate("--scores", "msp", ckpt=NAME)[0] == 0
    assert model(tmp_path).checkpoint_sha256 == sha256_of_file(checkpoint) and model(tmp_path).resize == "native"
