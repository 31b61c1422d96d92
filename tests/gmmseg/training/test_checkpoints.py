"""Checkpoints are written whole, old ones stay until then, and none is executed."""

from __future__ import annotations

import pickle
import shutil
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.fileio import LocalBackend

from gmmseg.errors import InputError
from gmmseg.training.checkpoints import (
    TRAINING_STATE,
    make_plain,
    newest_checkpoint,
    read_training_checkpoint,
    weights_only,
    write_whole,
)
from tests.gmmseg.training.trainings import train, write_training


class Kind(Enum):
    ROAD = 1


class Code:
    """Creates a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


@pytest.fixture
def malicious(trained: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A training checkpoint that holds code, and the file that this code would write."""
    content = torch.load(trained / "out" / "iter_8.pth", weights_only=False)
    content["meta"]["hidden"] = Code(tmp_path / "executed")
    torch.save(content, tmp_path / "malicious.pth")
    return tmp_path / "malicious.pth", tmp_path / "executed"


def test_the_code_of_these_tests_works(malicious: tuple[Path, Path]) -> None:
    checkpoint, proof = malicious
    torch.load(checkpoint, weights_only=False)
    assert proof.exists()


@pytest.mark.parametrize("way", ["resume", "init_from", "load_from", "init_cfg"])
def test_a_checkpoint_that_holds_code_is_refused(way: str, malicious: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, proof = malicious
    config = write_training(tmp_path)
    settings: dict[str, Any] = {"options": [f"load_from={checkpoint}"]}
    if way == "resume":
        (tmp_path / "out").mkdir()
        shutil.copy(checkpoint, tmp_path / "out" / "iter_8.pth")
        settings = {"resume": True}
    elif way == "init_from":
        settings = {"init_from": checkpoint}
    elif way == "init_cfg":
        start = f"model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='{checkpoint}')\n"
        config = write_training(tmp_path, extra=start)
        settings = {}
    with pytest.raises(InputError, match="have to be executed to load"):
        train(config, **settings)
    assert not proof.exists()


def test_the_config_inside_a_checkpoint_is_not_executed(trained: Path, tmp_path: Path) -> None:
    config = write_training(tmp_path)
    content = torch.load(trained / "out" / "iter_4.pth", weights_only=False)
    content["meta"]["config"] = f"import pathlib\npathlib.Path({str(tmp_path / 'executed')!r}).touch()\n"
    (tmp_path / "out").mkdir()
    torch.save(content, tmp_path / "out" / "iter_4.pth")
    train(config, resume=True, options=["train_cfg.max_iters=5"])
    assert not (tmp_path / "executed").exists()


def test_loaders_that_ask_for_code_do_not_get_it(tmp_path: Path) -> None:
    torch.save({"code": Code(tmp_path / "executed")}, tmp_path / "file.pth")
    with weights_only(), pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "file.pth", weights_only=False)
    assert not (tmp_path / "executed").exists()
    torch.load(tmp_path / "file.pth", weights_only=False)
    assert (tmp_path / "executed").exists()


def test_best_checkpoints_carry_no_memory(tmp_path: Path) -> None:
    options = ["train_cfg.val_interval=2", "default_hooks.checkpoint.save_best=mIoU", "train_cfg.max_iters=2"]
    train(write_training(tmp_path), options=options)
    (best,) = (tmp_path / "out").glob("best_*.pth")
    assert TRAINING_STATE not in torch.load(best, weights_only=False)
    assert read_training_checkpoint(tmp_path / "out" / "iter_2.pth")[TRAINING_STATE]["memories"]


def test_the_last_checkpoint_stays_until_the_next_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = LocalBackend.put

    def fail(backend: LocalBackend, content: bytes, path: str) -> None:
        if "iter_4" in path:
            raise OSError("the disk is full")
        put(backend, content, path)

    monkeypatch.setattr(LocalBackend, "put", fail)
    options = ["default_hooks.checkpoint.interval=2", "default_hooks.checkpoint.max_keep_ckpts=1"]
    config = write_training(tmp_path)
    with pytest.raises(OSError, match="the disk is full"):
        train(config, options=options)
    assert newest_checkpoint(tmp_path / "out") == tmp_path / "out" / "iter_2.pth"
    monkeypatch.undo()
    train(config, options=options, resume=True)
    assert [path.name for path in (tmp_path / "out").glob("iter_*.pth")] == ["iter_4.pth"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    write_whole({"a": torch.ones(3)}, path)
    with pytest.raises(Exception, match=r"pickle"):
        write_whole({"a": lambda: None}, path)
    assert torch.equal(torch.load(path)["a"], torch.ones(3))


def test_notes_become_plain(tmp_path: Path) -> None:
    notes = {
        "palette": np.zeros((2, 3), np.uint8),
        "share": np.float32(0.5),
        "nested": ConfigDict(ids={"sky": 1}),
        "seen": {2, 1},
        "where": Path("a/b"),
        "kind": Kind.ROAD,
        "pair": (1, None),
    }
    schedule = {"last_step": 3, "anneal_func": max, "phases": [{"end_step": 2.4}]}
    checkpoint = {
        "meta": dict(notes),
        "param_schedulers": [schedule],
        "message_hub": {"runtime_info": {"dataset_meta": notes}, "log_scalars": {}},
        "state_dict": {"weight": torch.ones(1)},
    }
    make_plain(checkpoint)
    torch.save(checkpoint, tmp_path / "file.pth")
    found = torch.load(tmp_path / "file.pth", weights_only=True)
    plain = {
        "palette": [[0, 0, 0], [0, 0, 0]],
        "share": 0.5,
        "nested": {"ids": {"sky": 1}},
        "seen": [1, 2],
        "where": "a/b",
        "kind": "Kind.ROAD",
        "pair": (1, None),
    }
    assert found["meta"] == found["message_hub"]["runtime_info"]["dataset_meta"] == plain
    assert found["param_schedulers"] == [{"last_step": 3, "phases": [{"end_step": 2.4}]}]


def test_the_newest_checkpoint_is_that_of_the_latest_iteration(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    elsewhere = tmp_path / "elsewhere.pth"
    elsewhere.touch()
    (tmp_path / "last_checkpoint").write_text(str(elsewhere))
    assert newest_checkpoint(tmp_path) == elsewhere
    for name in ("iter_9.pth", "iter_10.pth", ".iter_11.pth.partial", "best_mIoU_iter_12.pth"):
        (tmp_path / name).touch()
    assert newest_checkpoint(tmp_path) == tmp_path / "iter_10.pth"
