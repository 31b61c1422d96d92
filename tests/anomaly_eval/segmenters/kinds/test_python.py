"""Networks of one's own in Python files, through the commands."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import Answer, Command, assert_refused, nothing_left, read, rows
from tests.anomaly_eval.segmenters.python.nets import NET, write
from tests.shared_data import shared_data, shared_erfnet

BUILD = """
def build(checkpoint=None):
    return Net(6), {"classes": ["sky", "building", "road", "tree", "car", "void"]}
"""


@pytest.fixture
def run(data: Path, command: Command) -> Command:
    """Run a command on a CPU and return what it answers."""

    def run(*words: object) -> Answer:
        return command(*words, "--data-root", data, "--device", "cpu")

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network of five classes and a sixth output that is none."""
    return write(tmp_path, BUILD)


def logits_and_anomalies(
    net: nn.Module, folder: Path, known: int, size: tuple[int, int] | None = None
) -> tuple[Tensor, np.ndarray]:
    """Return the known logits of all pixels of a folder, (classes, N) and float64, and which of them are anomalies.

    size: width and height of the network's input where they are not those of the images.
    """
    logits, anomalies = [], []
    for path in sorted((folder / "images").iterdir()):
        image = np.asarray(Image.open(path)).copy()
        pixels = torch.from_numpy(image if size is None else cv2.resize(image, size)).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            maps = interpolate(net(pixels)[:, :known], image.shape[:2], mode="bilinear")[0]
        logits.append(maps.double().flatten(1))
        anomalies.append(np.asarray(Image.open(folder / "labels_masks" / f"{path.stem}.png")).ravel() == 2)
    return torch.cat(logits, dim=1), np.concatenate(anomalies)


def expected_auroc(data: Path) -> float:
    """AUROC of MSP over the first five outputs, pooled, in percent."""
    scope: dict[str, Any] = {}
    exec(NET, scope)
    logits, anomalies = logits_and_anomalies(scope["Net"](6).eval(), data / "road_anomaly", 5)
    return 100 * float(roc_auc_score(anomalies, -logits.softmax(0).amax(0)))


def test_eval_says_what_it_took_for_granted(tmp_path: Path, data: Path, run: Command, file: Path) -> None:
    out = tmp_path / "out"
    words = ["--dataset", "road_anomaly", "--scores", "msp", "--known-classes", "0-4", "--page", "--out", out]
    code, said, errors = run("eval", "--model", f"{file}:build", *words)
    assert code == 0, errors
    assert float(rows(out)[0]["auroc"]) == pytest.approx(expected_auroc(data), abs=1e-3)
    model = read(tmp_path).provenance.model
    assert (model.checkpoint, model.config, model.dropped_classes) == ("net.py:build", f"{file}:build", ["void"])
    assert model.notes[0] == "input: RGB divided by 255, as nobody said otherwise"
    table = (out / "results.md").read_text()
    for text in (" ".join(said.split()), " ".join(table.split())):
        assert "Outputs left out: void. Input: RGB divided by 255, as nobody said otherwise. Output: logits" in text
    page = (out / "index.html").read_text()
    assert "Outputs left out" in page and "RGB divided by 255" in page


def test_the_same_as_a_checkpoint_with_weights_and_other_pixels(tmp_path: Path, run: Command, file: Path) -> None:
    words = ["--dataset", "road_anomaly", "--scores", "msp", "--overwrite", "--out", tmp_path / "out"]
    assert run("eval", "--ckpt", f"{file}:build", *words)[0] == 0
    first = (tmp_path / "out" / "results.csv").read_text()
    assert run("eval", "--model", f"{file}:build", "--ckpt", file, *words)[0] == 0
    assert (tmp_path / "out" / "results.csv").read_text() == first
    assert run("eval", "--model", f"{file}:build", "--std", "58", "57", "57", *words)[0] == 0
    assert (tmp_path / "out" / "results.csv").read_text() != first


def test_statistics_are_bound_to_it_and_to_its_known_classes(tmp_path: Path, run: Command, file: Path) -> None:
    statistics, training = tmp_path / "s.safetensors", tmp_path / "training.yaml"
    known = ["--known-classes", "0-4"]
    model = ["--model", f"{file}:build"]
    code, _, errors = run("fit", *model, *known, "--dataset", training, "--out", statistics)
    assert code == 0, errors
    words = ["--dataset", "road_anomaly", "--stats", statistics, "--out", tmp_path / "out"]
    code, _, errors = run("eval", *model, *known, *words, "--scores", "sml", "mahalanobis")
    assert code == 0, errors
    notes = read(tmp_path).provenance.fits["sml"].notes
    assert any("class names of dataset and network differ: vegetation/tree" in note for note in notes)
    words[-1] = tmp_path / "other"
    assert_refused(run("eval", *model, *words), "other --known-classes (dropped: void, now none)")
    turned = ["--known-classes", "4", "1-3", "0"]
    assert_refused(run("eval", *model, *turned, *words), "fitted with --known-classes in another order")
    assert_refused(run("eval", *model, *known, *words, "--std", 9, 9, 9), "fitted with another config")
    file.write_text(NET.replace("manual_seed(3)", "manual_seed(4)") + BUILD)
    assert_refused(run("eval", *model, *known, *words), "fitted with another checkpoint")
    assert not (tmp_path / "other").exists()


def test_classes_are_calibrated_and_compared(tmp_path: Path, run: Command, file: Path) -> None:
    training = tmp_path / "training.yaml"
    words = ["--dataset", training, "--known-classes", "0-4", "--out", tmp_path / "calibration"]
    code, _, errors = run("calibrate", "--model", f"{file}:build", *words)
    assert_refused((code, "", errors), "class 3 is 'vegetation' in the dataset and 'tree' in the network")
    file.write_text(file.read_text().replace("tree", "Vegetation"))
    code, said, errors = run("calibrate", "--model", f"{file}:build", *words)
    assert code == 0, errors
    assert "Outputs left out: void." in " ".join(said.split())
    two = ["--ckpt", file, file, "--names", "a", "b", *words]
    assert_refused(run("calibrate", "--model", f"{file}:build", *two), "--model is one network")
    assert_refused(run("calibrate", *words), "there is no network; give --ckpt, or --model FILE.py:FUNCTION")


def test_what_contradicts_it_is_refused_in_a_sentence(tmp_path: Path, run: Command, file: Path) -> None:
    out = ["--dataset", "road_anomaly", "--out", tmp_path / "out"]
    model = ["--model", f"{file}:build"]
    assert_refused(run("eval", "--model", "net", *out), "--model 'net' is not understood; write FILE.py:FUNCTION")
    assert_refused(run("eval", "--model", f"{file}:biuld", *out), "the nearest known one is 'build'")
    assert_refused(run("eval", "--ckpt", file, *out), "needs the name of its function", f"write {file}:NAME")
    assert_refused(run("eval", *model, "--config", "a.py", *out), "--config says nothing about")
    assert_refused(run("eval", *model, "--score-maps", tmp_path, *out), "--model and --score-maps exclude each other")
    assert_refused(run("eval", *model, "--mean", 1, 2, *out), "--mean has 2 values")
    assert_refused(run("eval", *model, "--mean", 0.5, 0.5, 0.5, "--std", 0.2, 0.2, 0.2, *out), "multiply mean and std")
    nothing = run("fit", "--dataset", tmp_path / "training.yaml", "--out", tmp_path / "s")
    assert_refused(nothing, "there is no network; give --ckpt, or --model FILE.py:FUNCTION")
    mixtures = ["--dataset", tmp_path / "training.yaml", "--out", tmp_path / "m.pth"]
    assert_refused(run("fit-mixtures", "--ckpt", f"{file}:build", *mixtures), "has no last layer that mixtures")
    known = ["--known-classes", "0-4"]
    assert_refused(run("fit-mixtures", "--ckpt", f"{file}:build", *known, *mixtures), "leave it out here")
    assert nothing_left(tmp_path)


def test_erfnet_gives_the_numbers_of_an_independent_computation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trained network on two of the real images, beside PyTorch and scikit-learn alone."""
    for kind, suffix in (("images", "jpg"), ("labels_masks", "png")):
        (tmp_path / "data" / "road_anomaly" / kind).mkdir(parents=True)
        for index in range(2):
            name = f"road_anomaly/{kind}/{index}.{suffix}"
            shutil.copy(shared_data() / name, tmp_path / "data" / name)
    words = ["--dataset", "road_anomaly", "--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    words += ["--model", f"{shared_erfnet()}:build", "--resize", "1024x512", "--known-classes", "0-18"]
    assert main(["eval", *words, "--scores", "msp", "entropy", "max_logit", "--no-journal"]) == 0
    found = {row["method"]: [float(row[name]) for name in ("auroc", "ap", "fpr95")] for row in rows(tmp_path / "out")}

    net = runpy.run_path(str(shared_erfnet()))["build"]()
    logits, anomalies = logits_and_anomalies(net, tmp_path / "data" / "road_anomaly", 19, (1024, 512))
    shares = logits.softmax(0)
    scores = {
        "msp": -shares.amax(0),
        "entropy": -(shares * shares.log()).sum(0),
        "max_logit": -logits.amax(0),
    }
    for name, values in scores.items():
        fpr, tpr, _ = roc_curve(anomalies, values)
        expected = [auc(fpr, tpr), average_precision_score(anomalies, values), fpr[tpr >= 0.95][0]]
        assert found[name] == pytest.approx([100 * value for value in expected], abs=0.01), name
    assert len(read(tmp_path).provenance.model.classes) == 19
