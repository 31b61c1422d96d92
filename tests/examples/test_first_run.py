"""The first run: a small network trained on drawn scenes, and the whole way from its checkpoint to the tables."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_eval.cli import main as command
from examples import first_run
from examples.drawn_scenes import CLASSES, SIZE, draw_scene, write_dataset

CARDS = Path(first_run.__file__).parent


def test_written_scenes_are_read_back_as_drawn(tmp_path: Path) -> None:
    write_dataset(tmp_path, [5], SIZE, anomalies=True)
    image, labels = draw_scene(5, anomalies=True)
    pixels, truth = first_run.read_dataset(tmp_path)
    np.testing.assert_array_equal(pixels[0].permute(1, 2, 0).numpy()[..., ::-1], image)
    np.testing.assert_array_equal(truth[0].numpy(), labels)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    write_dataset(tmp_path, range(4), SIZE, anomalies=False)
    model, _ = first_run.build_model(seed=0)
    losses = first_run.train(model, tmp_path, iterations=10, seed=0)
    assert len(losses) == 10
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_checkpoint_holds_only_plain_values(tmp_path: Path) -> None:
    options = ["--train-images", "2", "--test-images", "1", "--iterations", "2"]
    first_run.main(["--out", str(tmp_path), *options])
    assert len(list((tmp_path / "data" / "drawn" / "images").iterdir())) == 1

    checkpoint = torch.load(tmp_path / "drawn.pth", weights_only=True)
    assert checkpoint["meta"]["dataset_meta"]["classes"] == CLASSES
    model, _ = first_run.build_model(seed=1)
    model.load_state_dict(checkpoint["state_dict"])

    allowed = (
        ast.Module,
        ast.Assign,
        ast.Name,
        ast.Call,
        ast.keyword,
        ast.Constant,
        ast.List,
        ast.Tuple,
        ast.Dict,
    )
    for node in ast.walk(ast.parse(checkpoint["meta"]["cfg"])):
        assert isinstance(node, (*allowed, ast.expr_context)), ast.dump(node)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id == "dict"


def test_from_nothing_to_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make demo` runs, shortened."""
    first_run.main(["--out", str(tmp_path), "--train-images", "96", "--iterations", "90", "--test-images", "6"])
    out = tmp_path / "results"
    words = ["eval", "--ckpt", str(tmp_path / "drawn.pth"), "--dataset", str(CARDS / "drawn.yaml")]
    words += ["--fit-dataset", str(CARDS / "drawn_train.yaml"), "--data-root", str(tmp_path / "data")]
    assert command([*words, "--heatmaps", "1", "--out", str(out)]) == 0, capsys.readouterr().err
    rows = {row["method"]: row for row in csv.DictReader((out / "results.csv").open())}
    assert set(rows) == {"msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"}
    # A network that has learnt something is less sure of what it has never seen.
    assert max(float(row["auroc"]) for row in rows.values()) > 55
    assert len(list(out.rglob("*.png"))) == 6
