"""What the pages on adding something show works, file by file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import locate_samples
from tests.docs.pages import CHECKOUT, blocks

EXTENDING = CHECKOUT / "docs" / "extending"


def card(folder: Path, number: int) -> Path:
    """Write a card of the page on data sets under the name that it gives."""
    text = blocks(EXTENDING / "dataset.md", "yaml")[number]
    path = folder / f"{yaml.safe_load(text)['name']}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def draw(path: Path, values: np.ndarray) -> None:
    """Write an image or a mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def test_a_data_set_is_a_card(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = card(tmp_path, 0)
    root = tmp_path / "data" / "my-lab-v1.0" / "test"
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 96), np.uint8)
    mask[:16, :48], mask[16:24] = 1, 255
    for number, id in enumerate(("a", "b")):
        draw(root / f"camera_{number}" / f"{id}_rgb.jpg", rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
        draw(root / "annotation" / f"{number:04d}_{id}_labels.png", mask)
    root_words = ["--data-root", str(tmp_path / "data")]
    assert main(["datasets", "check", str(path), *root_words]) == 0, capsys.readouterr()
    out = tmp_path / "out"
    words = ["eval", "--ckpt", str(checkpoint), "--dataset", str(path), "--scores", "msp", "--out", str(out)]
    assert main([*words, *root_words, "--device", "cpu", "--components", "card"]) == 0
    said = capsys.readouterr().err
    assert "warning" not in said
    assert "My Lab" in (out / "results.tex").read_text(encoding="utf-8")


def test_known_classes_are_a_card_too(tmp_path: Path) -> None:
    path = card(tmp_path, 1)
    for id in ("a", "b", "c"):
        draw(tmp_path / "my_lab_classes/images/train" / f"{id}.png", np.zeros((1, 7, 3), np.uint8))
        values = np.array([[0, 1, 2, 3, 4, 9, 255]], np.uint8)
        draw(tmp_path / "my_lab_classes/labels_masks/train" / f"{id}.png", values)
    read, variant = load_card(f"{path}")
    samples = locate_samples(read, "train", tmp_path)
    assert variant == "val"
    assert samples.samples[0].read_label().tolist() == [[255, 0, 1, 2, 3, 4, 255]]
