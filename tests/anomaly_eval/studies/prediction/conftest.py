"""Photos, a video, and the command that predicts them with a small network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.anomaly_eval.commands import Answer, Command


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder with three images, one of them in a folder of its own, a text, and a hidden file."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "more/a.png"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._a.png").write_bytes(b"resource fork")
    return folder


def cut(path: Path) -> Path:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    """Twelve frames of 64x48 at 5 a second, the n-th with a level of 20 n."""
    path = tmp_path / "clip.mp4"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    assert film.isOpened()
    for number in range(12):
        film.write(np.full((48, 64, 3), 20 * number, np.uint8))
    film.release()
    return path


@pytest.fixture
def predict(tmp_path, checkpoint, command) -> Command:
    """Run `predict` and return what it answers."""

    def run(*words: str | Path, out: str = "out") -> Answer:
        return command("predict", *words, "--ckpt", checkpoint, "--device", "cpu", "--out", tmp_path / out)

    return run
