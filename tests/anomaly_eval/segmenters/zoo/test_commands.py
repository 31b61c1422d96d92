"""Shipped networks by name in the other commands, and the commands that list and write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from anomaly_eval.cli.main import main
from gmmseg.checkpoints import load_checkpoint
from tests.anomaly_eval.commands import assert_refused, read
from tests.anomaly_eval.segmenters.zoo import stand_in
from tests.anomaly_eval.segmenters.zoo.stand_in import NAME, SIZE
from tests.gmmseg.training.trainings import UNFORMATTED

RESULTS = dict(
    closed_set=[
        dict(dataset="cityscapes", images=500, mean_iou=61.234),
        dict(dataset="cityscapes_small:val", images=500, mean_iou=60),
    ],
    anomaly=[
        dict(dataset="road_anomaly", images=60, scores=dict(msp=[71.5, 20.25, 65.0], gmmseg=[80.0, 30.0, 55.0])),
        dict(dataset="fishyscapes_static", images=30, input=64, note="as found", scores=dict(gmmseg=[90, 4, 40])),
    ],
)


def words(tmp_path: Path, *more: str) -> list[str]:
    """Return what all commands on the training images are given."""
    return [
        "--dataset",
        str(tmp_path / "training.yaml"),
        "--data-root",
        str(tmp_path / "data"),
        "--device",
        "cpu",
        *more,
    ]


def test_fit_by_name_learns_what_ships(tmp_path: Path, zoo: Path) -> None:
    out = tmp_path / "own.safetensors"
    assert main(["fit", "--ckpt", NAME, *words(tmp_path, "--out", str(out))]) == 0
    own, shipped = (load_checkpoint(path).weights for path in (out, zoo / f"{NAME}.statistics.safetensors"))
    assert own.keys() == shipped.keys() and all(torch.equal(own[name], shipped[name]) for name in own)


def test_fit_mixtures_by_name_says_its_size(
    tmp_path: Path, zoo: Path, evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mixtures.pth"
    assert main(["fit-mixtures", "--ckpt", NAME, "--components", "1", *words(tmp_path, "--out", str(out))]) == 0
    assert "input: short side 32; give the same --resize to what runs the checkpoint" in capsys.readouterr().out
    assert evaluate("--scores", "gmmseg", ckpt=str(out), resize=SIZE)[0] == 0
    assert "input short side 32, whole" in read(tmp_path).provenance.fits["gmmseg"].notes


def test_a_network_that_is_named_twice_is_called_as_it_was(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = main(["speed", "--ckpt", NAME, NAME]), "", capsys.readouterr().err
    assert_refused(result, f"error: '{NAME}' is there twice; tell the networks apart with --names")


def test_calibrate_by_name(tmp_path: Path, zoo: Path, gmm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stand_in.rounded(gmm, zoo / f"{NAME}.safetensors")
    for name, size in ((NAME, []), (str(path), ["--resize", SIZE])):
        out = tmp_path / Path(name).stem
        assert main(["calibrate", "--ckpt", name, *size, *words(tmp_path, "--names", "one", "--out", str(out))]) == 0
    assert "short side 32 (the network's own)" in " ".join(capsys.readouterr().out.split())
    first, second = (tmp_path / folder / "calibration.csv" for folder in (NAME, "rounded"))
    assert first.read_text() == second.read_text()


def test_grid_by_name_draws_fitted_scores(tmp_path: Path, zoo: Path) -> None:
    places = ["--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "grid"), "--device", "cpu"]
    chosen = ["--dataset", "road_anomaly", "--images", "1", "--scores", "sml", "gmmseg"]
    assert main(["grid", "--ckpt", NAME, *chosen, *places]) == 0
    (network,) = json.loads((tmp_path / "grid.json").read_text())["networks"]
    assert network["name"] == NAME and network["model"]["own_resize"]
    assert network["fits"]["sml"]["notes"][-1] == "these statistics ship with the network"
    assert set(network["fits"]) == {"sml"}


def test_grid_prefers_statistics_that_are_given(tmp_path: Path, zoo: Path) -> None:
    own = tmp_path / "own.safetensors"
    assert main(["fit", "--ckpt", NAME, *words(tmp_path, "--out", str(own), "--scores", "sml")]) == 0
    places = ["--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "grid"), "--device", "cpu"]
    chosen = ["--dataset", "road_anomaly", "--images", "1", "--stats", str(own)]
    assert main(["grid", "--ckpt", NAME, *chosen, *places]) == 0
    (network,) = json.loads((tmp_path / "grid.json").read_text())["networks"]
    assert set(network["fits"]) == {"sml"}
    assert "these statistics ship with the network" not in network["fits"]["sml"]["notes"]


def test_a_training_starts_from_a_name(
    tmp_path: Path, zoo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmengine.config import Config

    from tests.anomaly_eval import networks
    from tests.gmmseg.training.trainings import forget_earlier_trainings, write_training

    config = write_training(tmp_path)
    settings = Config.fromfile(config).model.to_dict()
    small = networks.save(tmp_path / "small.pth", settings, dataset_meta={"classes": ["sky", "road", "car"]})
    start = load_checkpoint(stand_in.add(zoo, "small", small)).weights
    places = ["--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")]
    options = ["--cfg-options", "train_cfg.max_iters=1", "optim_wrapper.optimizer.lr=0"]
    forget_earlier_trainings()
    monkeypatch.setattr(*UNFORMATTED)
    assert main(["train", str(config), *places, "--init-from", "small", *options]) == 0
    trained = load_checkpoint(tmp_path / "out" / "weights.pth").weights
    backbone = [name for name in start if name.startswith("backbone.")]
    assert backbone and all(torch.equal(trained[name], start[name]) for name in backbone)
    capsys.readouterr()
    code = main(["train", str(config), *places, "--overwrite", "--init-from", "smal"])
    told = (
        f"no checkpoint file smal; did you mean small? check --init-from, or choose a shipped network: {NAME}, small."
    )
    assert_refused((code, "", capsys.readouterr().err), told)


def test_a_study_starts_from_a_name_or_says_which_there_are(
    tmp_path: Path, zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = ["ablate", "camvid", "--out", str(tmp_path / "study"), "--data-root", str(tmp_path / "data")]
    capsys.readouterr()
    code = main([*study, "--init-from", NAME[:-1]])
    assert_refused((code, "", capsys.readouterr().err), f"did you mean {NAME}? check --init-from")
    # By its name it is found, and the next thing that is missing is told.
    code = main([*study, "--init-from", NAME])
    assert_refused((code, "", capsys.readouterr().err), "nothing of fishyscapes_lostandfound was found")


def test_listing_and_showing(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.write_card(zoo, NAME, statistics={SIZE: f"{NAME}.statistics.safetensors"}, **RESULTS)
    digest = load_checkpoint(zoo / f"{NAME}.safetensors").sha256
    capsys.readouterr()
    assert main(["networks", "show", NAME]) == 0
    shown = capsys.readouterr().out
    for line in (
        "trained on: cityscapes:train",
        "config: gmmseg_cgnet_cityscapes",
        "recipe: Random weights, drawn with seed 0.",
        "input: --resize 32, unless another one is given",
        "statistics: of fitted scores, for --resize 32",
        "licence: For tests alone.",
        f"sha256: {digest}",
        "mean IoU: 61.23 % on Cityscapes, 500 images",
        "mean IoU: 60.00 % on cityscapes_small:val, 500 images",
    ):
        assert line in shown.splitlines()
    for row in ("MSP 71.50 / 20.25 / 65.00", "GMMSeg 80.00 / 30.00 / 55.00 90.00 / 4.00 / 40.00"):
        assert row in [" ".join(line.split()) for line in shown.splitlines()]
    flat = " ".join(shown.split())
    assert "Road Anomaly, 60 images" in flat and "--resize 64" in flat and "as found" in flat
    assert main(["networks"]) == 0
    assert capsys.readouterr().out.startswith(f"{NAME}\n{shown}\n--ckpt also takes networks of transformers")
    assert_refused(
        (main(["networks", "show", "gmmseg_stand-in"]), "", capsys.readouterr().err),
        f"no shipped network 'gmmseg_stand-in'; did you mean {NAME}? choose a shipped network: {NAME}.",
    )


def test_without_networks(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (zoo / f"{NAME}.yaml").unlink()
    capsys.readouterr()
    assert main(["networks"]) == 0
    assert capsys.readouterr().out.startswith("No networks ship with this version.\n\n--ckpt also takes")
    code = main(["networks", "show", NAME])
    assert_refused((code, "", capsys.readouterr().err), f"no shipped network '{NAME}'; none ships with this version.")


def test_export_refuses_what_it_cannot_write(tmp_path: Path, gmm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, told in (("net.pth", "is not called .safetensors"), ("none/net.safetensors", "its folder does not exist")):
        code = main(["networks", "export", str(gmm), "--out", str(tmp_path / out)])
        assert_refused((code, "", capsys.readouterr().err), told, "choose another --out")
    out = tmp_path / "net.safetensors"
    out.write_text("mine")
    code = main(["networks", "export", str(gmm), "--out", str(out)])
    assert_refused((code, "", capsys.readouterr().err), "net.safetensors exists already", "--overwrite")
    assert out.read_text() == "mine"
    assert main(["networks", "export", str(gmm), "--out", str(out), "--overwrite"]) == 0
    assert f"sha256 {load_checkpoint(out).sha256}" in capsys.readouterr().out
