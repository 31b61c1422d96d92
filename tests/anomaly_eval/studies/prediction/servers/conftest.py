"""A network whose score is the red channel times a factor, and images for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.cli.main import main

NETWORK = """
import torch

FACTOR = {factor}

class Known(torch.nn.Module):
    def forward(self, pixels):
        level = FACTOR * pixels[:, :1]
        return torch.cat([-level, -level - 1], dim=1)
"""


@pytest.fixture
def predict_known(tmp_path, capsys):
    """Run `predict` with a network whose score is the red channel times a factor; return (code, output, errors)."""

    def run(*words: object, factor: str = "1.0", out: str = "out") -> tuple[int, str, str]:
        (tmp_path / "known.py").write_text(NETWORK.format(factor=factor))
        plain = ["--mean", "0", "0", "0", "--std", "1", "1", "1", "--device", "cpu"]
        network = ["--model", f"{tmp_path / 'known.py'}:Known", *plain, "--out", str(tmp_path / out)]
        code = main(["predict", *map(str, words), *network])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def drawn(path: Path, red: np.ndarray | int = 7) -> Path:
    """Save an image, without loss, whose red channel is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((24, 32, 3), np.uint8)
    pixels[..., 0] = red
    Image.fromarray(pixels).save(path.with_suffix(".png"))
    # Decoders look at the content: names may say .jpg, as the benchmarks' do.
    os.replace(path.with_suffix(".png"), path)
    return path


def files(folder: Path) -> list[str]:
    """Return all files of a folder but the record, in the order of their names."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in found if name != "predictions.json"]
