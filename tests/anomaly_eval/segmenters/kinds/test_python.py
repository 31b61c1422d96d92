"""Networks of one's own in Python files, through the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
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


def expected_auroc(data: Path) -> float:
    """AUROC of MSP over the first five outputs, pooled, in percent."""
    scope: dict[str, object] = {}
    exec(NET, scope)
    net = scope["Net"](6).eval()  # type: ignore[operator]
    scores, labels = [], []
    for path in sorted((data / "road_anomaly" / "images").iterdir()):
        pixels = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            logits = interpolate(net(pixels)[:, :5], pixels.shape[2:], mode="bilinear")[0].double()
        scores.append(-logits.softmax(0).amax(0).numpy().ravel())
        labels.append(np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / path.name)).ravel() == 2)
    return 100 * float(roc_auc_score(np.concatenate(labels), np.concatenate(scores)))


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
    words = ["--dataset", "road_anomaly", "--data-root", str(shared_data()), "--out", str(tmp_path / "out")]
    words += ["--model", f"{shared_erfnet()}:build", "--resize", "1024x512", "--known-classes", "0-18"]
    assert main(["eval", *words, "--scores", "msp", "entropy", "max_logit", "--no-journal"]) == 0
    found = {row["method"]: [float(row[name]) for name in ("auroc", "ap", "fpr95")] for row in rows(tmp_path / "out")}
    assert found == {
        "msp": pytest.approx([60.65, 12.54, 82.60], abs=0.01),
        "entropy": pytest.approx([60.99, 12.90, 82.66], abs=0.01),
        "max_logit": pytest.approx([68.57, 16.27, 74.40], abs=0.01),
    }
    assert len(read(tmp_path).provenance.model.classes) == 19
