"""What other packages put into a checkpoint is read past: nothing of it is imported, called or believed."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import os
import subprocess
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import OneCycleLR

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError
from gmmseg.stand_ins import StandIn

WEIGHTS = {"w": torch.arange(6.0)}


class Own(torch.nn.Linear):
    """A class that nobody else has."""


class Names(enum.Enum):
    """Another one."""

    A = "a"


class OwnList(list[int]):
    """A list that pickle fills by calling it."""


def one_cycle() -> dict[str, Any]:
    """Return the state of a scheduler, which holds one of its own functions."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    state: dict[str, Any] = OneCycleLR(optimizer, eta_max=0.1, total_steps=10, by_epoch=False).state_dict()
    return state


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {"param_schedulers": [one_cycle()]},
        {"meta": {"PALETTE": np.zeros((19, 3), np.uint8), "seed": np.uint16(3), "lr": np.float16(0.5)}},
        {"meta": {"names": np.array(["a", None], object), "when": np.datetime64("2026-01-01"), "text": np.str_("x")}},
        {"meta": {"cfg": Config({"model": {"type": "X"}}), "part": ConfigDict(a=[ConfigDict(b=1)])}},
        {"args": argparse.Namespace(lr=1, out=Path("/x"), begun=datetime.datetime(2026, 1, 1))},
        {"optimizer": torch.optim.Adam([torch.nn.Parameter(torch.ones(1))]), "names": Names("a")},
        {"queue": collections.deque([1, 2]), "counts": collections.defaultdict(list, {"a": [1]})},
        {"more": types.SimpleNamespace(a=1), "frozen": frozenset([1]), "random": np.random.default_rng(0)},
    ],
    ids=["one cycle", "arrays", "odd arrays", "config", "arguments", "objects", "collections", "others"],
)
def test_weights_are_read_past_foreign_objects(tmp_path: Path, more: dict[str, Any], zipped: bool) -> None:
    path = tmp_path / "net.pth"
    torch.save({"state_dict": WEIGHTS, **more}, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_checkpoint(path).weights["w"], WEIGHTS["w"])


def test_dictionaries_of_other_packages_are_dictionaries(tmp_path: Path) -> None:
    meta = {"cfg": ConfigDict(model=ConfigDict(type="X")), "palette": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    torch.save({"state_dict": WEIGHTS, "meta": meta}, tmp_path / "net.pth")
    found = load_checkpoint(tmp_path / "net.pth").meta
    assert found["cfg"] == {"model": {"type": "X"}} and type(found["cfg"]) is collections.OrderedDict
    assert np.array_equal(found["palette"], meta["palette"])


def test_what_takes_the_place_of_an_object_is_not_of_its_class(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS, "criterion": Own(2, 2)}, tmp_path / "net.pth")
    found = load_checkpoint(tmp_path / "net.pth").meta["criterion"]
    assert isinstance(found, StandIn) and not isinstance(found, torch.nn.Module) and found.path.endswith(".Own")


class Call:
    """Calls something when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        """Say what is to be called."""
        return self.reduced


@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "touch ran"),
        Call(subprocess.check_output, ["touch", "ran"]),
        Call(exec, "open('ran', 'w')"),
        Call(__import__, "antigravity"),
        Call(open, "ran", "w"),
    ],
    ids=["os", "subprocess", "exec", "import", "open"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": WEIGHTS, "x": call}, "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"net\.pth holds Python objects that would have to be executed"):
        load_checkpoint(Path("net.pth"))
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_arrays_that_claim_memory_are_refused(tmp_path: Path) -> None:
    huge = Call(np.zeros(1).__reduce__()[0], np.ndarray, (10**12,), b"b")
    torch.save({"state_dict": WEIGHTS, "x": huge}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth holds Python objects"):
        load_checkpoint(tmp_path / "net.pth")


@pytest.mark.parametrize("content", [Own(2, 2), {"model": Own(2, 2)}, {"net": Own(2, 2), "ema": Own(2, 2)}])
def test_whole_networks_are_named(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(
        InputError, match=r"net\.pth holds an object \(\S+\.Own\) rather than weights; .*state_dict\(\)"
    ):
        load_checkpoint(tmp_path / "net.pth")


def test_names_that_no_sentence_can_hold_are_written_out(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"torch._utils", b"\0orch._utils"))
    with pytest.raises(InputError, match=r"holds an object \(\\x00orch\._utils\S+") as refused:
        load_checkpoint(path)
    assert str(refused.value).isprintable()


def test_objects_that_cannot_be_read_past_are_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"state_dict": WEIGHTS, "x": OwnList([1])}, path)
    with pytest.raises(InputError, match=r"weights_only=False\) and torch\.save its state_dict alone"):
        load_checkpoint(path)
    torch.save(torch.load(path, weights_only=False)["state_dict"], path)
    assert torch.equal(load_checkpoint(path).weights["w"], WEIGHTS["w"])


def test_other_pickle_protocols_are_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(WEIGHTS, path, pickle_protocol=4)
    with pytest.raises(InputError, match=r"net\.pth was written with another pickle protocol.* anew without"):
        load_checkpoint(path)
    torch.save(torch.load(path, weights_only=False), path)
    assert torch.equal(load_checkpoint(path).weights["w"], WEIGHTS["w"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_of_torchscript_are_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(InputError, match=r"net\.pt is a TorchScript program, .* what torch\.jit\.load returns"):
        load_checkpoint(path)
    torch.save(torch.jit.load(path).state_dict(), path)
    assert set(load_checkpoint(path).weights) == {"weight", "bias"}
