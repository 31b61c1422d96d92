"""A zoo in a temporary folder: a small network with random weights in the place of those that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from anomaly_eval.cli.main import main
from gmmseg.checkpoints import load_checkpoint, sha256_of_file

NAME = "gmmseg_stand-in_training"
SIZE = "32"
"""The short side at which images enter it."""
CARD = {
    "title": "GMMSeg, a stand-in with random weights",
    "config": "gmmseg_cgnet_cityscapes",
    "input": int(SIZE),
    "trained_on": "cityscapes:train",
    "licence": "For tests\nalone.",
    "recipe": "Random weights, drawn with seed 0.",
}


def add(folder: Path, name: str, checkpoint: Path) -> Path:
    """Put the network of a checkpoint into the zoo, and return its file."""
    folder.mkdir(exist_ok=True)
    target = folder / f"{name}.safetensors"
    assert main(["networks", "export", str(checkpoint), "--out", str(target)]) == 0
    write_card(folder, name)
    return target


def add_statistics(folder: Path, name: str, dataset: Path, data_root: Path) -> Path:
    """Fit the scores of a network of the zoo as a maintainer would, and name the file in its card."""
    target = folder / f"{name}.statistics.safetensors"
    words = ["--dataset", str(dataset), "--data-root", str(data_root), "--out", str(target), "--device", "cpu"]
    assert main(["fit", "--ckpt", str(folder / f"{name}.safetensors"), "--resize", SIZE, *words]) == 0
    write_card(folder, name, statistics={int(SIZE): target.name})
    return target


def write_card(folder: Path, name: str, **fields: Any) -> Path:
    """Write the card of a network with some fields replaced or added; None leaves one out."""
    card = {"name": name, **CARD, "sha256": sha256_of_file(folder / f"{name}.safetensors"), **fields}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in card.items() if value is not None}), encoding="utf-8")
    return path


def rounded(checkpoint: Path, exported: Path) -> Path:
    """Write a .pth checkpoint with the weights as the exported file has them."""
    content = torch.load(checkpoint, weights_only=True)
    path = checkpoint.with_name("rounded.pth")
    weights = {**content["state_dict"], **load_checkpoint(exported).weights}
    torch.save({**content, "state_dict": weights}, path)
    return path
