"""Checkpoints as safetensors files: their weights, what they note, and damaged ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError
from gmmseg.safetensors_files import NOTES, safetensors_bytes

TENSORS = {
    "backbone.w": torch.arange(6.0).reshape(2, 3).half(),
    "backbone.b": torch.tensor([0.1, 1e-30]),
    "head.count": torch.tensor([3, 2**40]),
    "head.exact": torch.tensor([0.1], dtype=torch.float64),
}
META = {"dataset_meta": {"classes": ["road", "Straße"]}, "cfg": "model = dict()"}


def test_weights_and_notes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors_bytes(TENSORS, {NOTES: json.dumps(META)}))
    found = load_checkpoint(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.classes == ("road", "Straße") and found.meta["cfg"] == "model = dict()"
    assert found.weights.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        wanted = value.float() if value.dtype == torch.float16 else value
        assert found.weights[name].dtype == wanted.dtype and torch.equal(found.weights[name], wanted)


def test_files_of_others_have_weights_alone(tmp_path: Path) -> None:
    save_file({f"module.{name}": value for name, value in TENSORS.items()}, tmp_path / "net.SafeTensors", {"a": "b"})
    found = load_checkpoint(tmp_path / "net.SafeTensors")
    assert set(found.weights) == set(TENSORS) and found.meta == {} and found.classes is None


def test_equal_content_is_equal_bytes() -> None:
    texts = {letter: letter * 3 for letter in "abcdefgh"}
    first, *others = (safetensors_bytes(TENSORS, texts) for _ in range(5))
    assert all(other == first for other in others)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    good = safetensors_bytes(TENSORS, {NOTES: json.dumps(META)})
    length = int.from_bytes(good[:8], "little")
    broken = {
        "empty": b"",
        "page": b"<!DOCTYPE html><html></html>",
        "cut": good[:-1],
        "longer": good + b"\0",
        "huge header": (2**62).to_bytes(8, "little") + good[8:],
        "claims": good.replace(b'"shape":[2,3]', b'"shape":[9,3]'),
        "deep": (100_000).to_bytes(8, "little") + b"[" * 100_000,
        "no JSON": good[:8] + b"{" * length + good[8 + length :],
        "notes": safetensors_bytes(TENSORS, {NOTES: "{not JSON"}),
        "deep notes": safetensors_bytes(TENSORS, {NOTES: "[" * 100_000}),
    }
    for number, (what, content) in enumerate(broken.items()):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{number}\.safetensors is not a safetensors file or is damaged; "):
            load_checkpoint(path)
            pytest.fail(what)


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    save_file({}, tmp_path / "net.safetensors", {"a": "b"})
    with pytest.raises(InputError, match=r"net\.safetensors holds no state_dict"):
        load_checkpoint(tmp_path / "net.safetensors")
