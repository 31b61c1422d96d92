"""The command `train`: its words, its refusals, and `eval` on what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import assert_refused
from tests.gmmseg.training.trainings import CARD, forget_earlier_trainings, losses, write_new_style, write_training


def run(folder: Path, config: str, *words: str) -> int:
    forget_earlier_trainings()
    return main(["train", config, "--out", str(folder / "out"), "--data-root", str(folder / "data"), *words])


PREPROCESSOR = "data_preprocessor = model.pop('data_preprocessor')\n"
ONE_CYCLE = "param_scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=2, by_epoch=False)\n"
NOTES = """
for loader in (train_dataloader, val_dataloader):
    loader["dataset"]["metainfo"].update(ids=dict(sky=1), seen={1, 2})
"""


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write_training, id="plain"),
        pytest.param(write_new_style, id="new style"),
        pytest.param(partial(write_new_style, extra=PREPROCESSOR), id="new style, preprocessor at top level"),
        pytest.param(partial(write_training, extra=PREPROCESSOR), id="preprocessor at top level"),
        pytest.param(partial(write_training, extra=ONE_CYCLE), id="one cycle"),
        pytest.param(partial(write_training, extra=NOTES), id="odd notes of the data set"),
    ],
)
def test_a_training_is_evaluated_by_its_weights_alone(
    write: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path)
    options = ["--cfg-options", "train_cfg.max_iters=2", "default_hooks.checkpoint.interval=1"]
    assert run(tmp_path, str(config), "--seed", "3", *options) == 0
    assert losses(tmp_path / "out").keys() == {1, 2}
    weights = tmp_path / "out" / "weights.pth"
    assert f"Weights: {weights}" in capsys.readouterr().out
    (tmp_path / "out" / "iter_2.pth").unlink()
    assert run(tmp_path, str(config), "--resume", *options) == 0

    config.unlink()
    (tmp_path / "drawn.yaml").write_text(CARD)
    words = ["--dataset", str(tmp_path / "drawn.yaml"), "--data-root", str(tmp_path / "data"), "--protocol", "network"]
    for checkpoint in (weights, tmp_path / "out" / "iter_2.pth"):
        out = tmp_path / checkpoint.stem
        assert main(["eval", "--ckpt", str(checkpoint), *words, "--out", str(out), "--device", "cpu"]) == 0
        assert "mIoU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no_such_config"], "there is no config no_such_config"),
        (["mmseg::_base_/models/cgnet.py"], "has no `train_dataloader`"),
        (["gmmseg_cgnet_camvid"], "there is no folder"),
        (["CONFIG", "--resume"], "start anew with --overwrite"),
        (["CONFIG", "--init-from", "none.pth"], "check --init-from"),
        (["CONFIG", "--cfg-options", "train_cfg.max_iters"], "give name=value pairs"),
        (["CONFIG", "--launcher", "pytorch"], "needs torchrun"),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_sentence(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_training(tmp_path)
    code = run(tmp_path, *(str(config) if word == "CONFIG" else word for word in words))
    assert_refused((code, "", capsys.readouterr().err), told)
    assert not (tmp_path / "out").exists()
