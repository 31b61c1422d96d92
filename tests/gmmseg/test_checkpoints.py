"""Checkpoints load without running anything, in bounded memory, or are refused with their name and a remedy."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from gmmseg.checkpoints import load_checkpoint, sha256_of_file
from gmmseg.errors import InputError

WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.int64)}


def write(path: Path, content: object) -> Path:
    """Save as PyTorch does."""
    torch.save(content, path)
    return path


@pytest.mark.parametrize("wrap", [lambda weights: weights, lambda weights: {"state_dict": weights}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_are_read_with_and_without_wrappers(tmp_path: Path, wrap: Any, prefix: str) -> None:
    path = write(tmp_path / "net.pth", wrap({f"{prefix}{name}": value for name, value in WEIGHTS.items()}))
    found = load_checkpoint(path)
    assert list(found.weights) == ["w", "b"]
    assert all(torch.equal(found.weights[name], value) for name, value in WEIGHTS.items())
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == sha256_of_file(path)
    assert found.meta == {} and found.classes is None


@pytest.mark.parametrize(
    ("meta", "classes"),
    [
        ({"dataset_meta": {"classes": ("road", "sky")}}, ("road", "sky")),
        ({"dataset_meta": {"classes": []}, "CLASSES": ["road", "sky"]}, ("road", "sky")),
        ({"dataset_meta": 3, "CLASSES": ["Straße", "空"]}, ("Straße", "空")),
        ({"CLASSES": [0, 1]}, ("0", "1")),
        ({"CLASSES": "road"}, None),
        ({"CLASSES": torch.ones(3)}, None),
        ({}, None),
        (3, None),
    ],
)
def test_class_names(tmp_path: Path, meta: object, classes: tuple[str, ...] | None) -> None:
    assert load_checkpoint(write(tmp_path / "net.pth", {"state_dict": WEIGHTS, "meta": meta})).classes == classes


@pytest.mark.parametrize("names", [[["road"]], ["road\n"], ["\x1b[2J"], [None], [torch.ones(2)]])
def test_class_names_that_no_table_can_show(tmp_path: Path, names: list[object]) -> None:
    found = load_checkpoint(write(tmp_path / "net.pth", {"state_dict": WEIGHTS, "meta": {"CLASSES": names}}))
    with pytest.raises(InputError, match=r"net\.pth has class names that are not text; "):
        _ = found.classes


def test_lists_of_lists_by_reference_are_not_written_out(tmp_path: Path) -> None:
    names: list[object] = ["road"]
    for _ in range(60):
        names = [names, names]
    found = load_checkpoint(write(tmp_path / "net.pth", {"state_dict": WEIGHTS, "meta": {"CLASSES": names}}))
    with pytest.raises(InputError, match="not text"):
        _ = found.classes


@pytest.mark.parametrize(
    "value",
    [
        torch.eye(3).to_sparse(),
        torch.ones(2, dtype=torch.complex64),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        torch.empty(2, device="meta"),
    ],
    ids=["sparse", "complex", "quantised", "meta"],
)
def test_tensors_that_no_network_takes(tmp_path: Path, value: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"net\.pth"):
        load_checkpoint(write(tmp_path / "net.pth", {**WEIGHTS, "odd": value}))


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "a" * 2000])
def test_names_that_no_message_can_show(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"net\.pth has a weight whose name is not plain text; ") as caught:
        load_checkpoint(write(tmp_path / "net.pth", {name: torch.ones(1)}))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1], "holds no state_dict"),
        ({}, "holds no state_dict"),
        ({"state_dict": []}, "holds no state_dict"),
        ({"state_dict": {"w": 3}}, "entries that are not tensors"),
        ({"state_dict": {3: torch.ones(1)}}, "entries that are not tensors"),
    ],
)
def test_files_without_weights(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_checkpoint(write(tmp_path / "net.pth", content))


def rewritten(path: Path, more: Mapping[str, bytes]) -> None:
    """Compress the entries of an archive and add more."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (entries | dict(more)).items():
            archive.writestr(name, content)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "net.pth", WEIGHTS)
    load_checkpoint(path)
    rewritten(path, {"net/data/9": bytes(50_000_000)})
    with pytest.raises(InputError, match=r"net\.pth would unpack to more than its own size \(50,\d+,\d+ bytes\)"):
        load_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 100, 1000])
def test_the_beginning_of_a_file_is_damaged(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "net.pth", {"w": torch.ones(1000)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"net\.pth is not a PyTorch checkpoint or is damaged; "):
        load_checkpoint(path)


class Harmful:
    """Would run a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Say what is to run."""
        return os.system, ("true",)


def test_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "net.pth", {"state_dict": WEIGHTS, "more": Harmful()})
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("the checkpoint ran a command"))
    with pytest.raises(InputError, match=r"net\.pth holds Python objects that would have to be executed"):
        load_checkpoint(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no checkpoint file .*none\.pth; check its name"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(InputError, match=r"cannot be read \(File name too long\)"):
        load_checkpoint(tmp_path / ("a" * 300))
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path, tmp_path / "pipe.pth", Path("/dev/zero")):
        with pytest.raises(InputError, match="is a folder, a pipe or a device"):
            load_checkpoint(path)
