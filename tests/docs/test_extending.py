"""What the pages on adding something show works, file by file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import locate_samples
from tests.anomaly_eval.commands import rows
from tests.anomaly_eval.datasets.drawn_files import draw
from tests.docs.pages import CHECKOUT, blocks

EXTENDING = CHECKOUT / "docs" / "extending"


def card(folder: Path, number: int) -> Path:
    """Write a card of the page on data sets under the name that it gives."""
    text = blocks(EXTENDING / "dataset.md", "yaml")[number]
    path = folder / f"{yaml.safe_load(text)['name']}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


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


def test_a_score_is_what_the_page_says() -> None:
    (code,) = blocks(EXTENDING / "score.md", "python")
    found: dict[str, object] = {}
    exec(code, found)
    logits = torch.randn(5, 7, 9)
    by_size = np.sort(logits.numpy(), axis=0)
    np.testing.assert_array_equal(found["margin"](logits).numpy(), by_size[-2] - by_size[-1])


def test_a_score_a_kind_of_network_and_a_metric_take_one_file_each(tmp_path: Path, data: Path) -> None:
    """What three pages show, put into a copy of the packages; then `eval` knows all three."""
    copy = tmp_path / "copy"
    for package in ("anomaly_eval", "gmmseg"):
        shutil.copytree(CHECKOUT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("configs", "datasets", "networks", "reports"):
        (copy / folder).symlink_to(CHECKOUT / folder)
    (score,), (kind,), (entry,) = (blocks(EXTENDING / f"{of}.md", "python") for of in ("score", "network", "metric"))
    (copy / "anomaly_eval/scores/margin.py").write_text(score, encoding="utf-8")
    (copy / "anomaly_eval/segmenters/kinds/tiny.py").write_text(kind, encoding="utf-8")
    registry = copy / "anomaly_eval/metrics/registry.py"
    entry = f"from anomaly_eval.metrics.rates import tpr_at_fpr\n\n{entry}"
    text, replaced = re.subn(r"^RANKING: .*\n", lambda _: entry, registry.read_text(encoding="utf-8"), flags=re.M)
    assert replaced == 1
    registry.write_text(text, encoding="utf-8")

    torch.manual_seed(0)
    layers = torch.nn.ModuleDict({"body": torch.nn.Conv2d(3, 8, 7), "head": torch.nn.Conv2d(8, 5, 1)})
    save_file(layers.state_dict(), tmp_path / "your.tiny")
    words = ["eval", "--ckpt", str(tmp_path / "your.tiny"), "--dataset", "road_anomaly", "--data-root", str(data)]
    words += ["--scores", "msp", "margin", "--out", str(tmp_path / "out"), "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    subprocess.run([sys.executable, "-m", "anomaly_eval", *words], cwd=copy, env=environment, check=True)
    found = {row["method"]: row for row in rows(tmp_path / "out")}
    assert found.keys() == {"msp", "margin"}
    assert all(0 <= float(row["tpr_at_1"]) <= 100 for row in found.values())
    table = (tmp_path / "out" / "results.tex").read_text(encoding="utf-8")
    assert "Margin" in table and "TPR@FPR1" in table
