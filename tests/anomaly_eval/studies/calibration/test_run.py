"""`gmmseg-anomaly calibrate` as a user meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.classification import MulticlassCalibrationError

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.segmenters.running import Running
from tests.anomaly_eval.commands import TRAINING_CARD, Answer, Command, assert_refused, nothing_left, rows


@pytest.fixture
def held_out(tmp_path: Path, data: Path) -> Path:
    """Another closed-set dataset: the same images by another name."""
    shutil.copytree(data / "training", data / "held_out")
    card = tmp_path / "held_out.yaml"
    card.write_text(TRAINING_CARD.replace("training", "held_out"))
    return card


@pytest.fixture
def calibrate(tmp_path: Path, data: Path, checkpoint: Path, command: Command) -> Command:
    """Run `calibrate` on the training images and return what it answers."""

    training = str(tmp_path / "training.yaml")

    def run(*words: str, ckpt: tuple[str, ...] = (str(checkpoint),), dataset: str = training) -> Answer:
        places = ["--data-root", data, "--out", tmp_path / "out", "--device", "cpu"]
        return command("calibrate", "--ckpt", *ckpt, "--dataset", dataset, *places, *words)

    return run


def test_pixels_are_hashed_as_in_eval(tmp_path: Path, data: Path, checkpoint: Path, calibrate) -> None:
    assert calibrate()[0] == 0
    words = ["--dataset", str(tmp_path / "training.yaml"), "--data-root", str(data), "--device", "cpu"]
    assert main(["eval", "--ckpt", str(checkpoint), *words, "--out", str(tmp_path / "eval")]) == 0
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())["dataset"]
    (same,) = json.loads((tmp_path / "eval" / "results.json").read_text())["datasets"]
    for key in ("pixels_sha256", "labels_sha256", "files_sha256"):
        assert record[key] == same[key] and len(record[key]) == 64


def test_errors_are_those_of_torchmetrics_and_a_loop(tmp_path: Path, data: Path, checkpoint: Path, calibrate) -> None:
    code, output, errors = calibrate()
    assert code == 0, errors
    (row,) = rows(tmp_path / "out", "calibration.csv")
    segmenter = Running(device="cpu").network(checkpoint, None).load()
    probabilities, labels = [], []
    for sample in find_dataset(str(tmp_path / "training.yaml"), data).samples:
        with torch.inference_mode():
            probabilities.append(segmenter(sample.read_image()).logits.resized().double().softmax(0).flatten(1).T)
        labels.append(torch.from_numpy(sample.read_label().astype(np.int64)).flatten())
    pooled, label = torch.cat(probabilities), torch.cat(labels)
    reference = MulticlassCalibrationError(num_classes=5, n_bins=15, norm="l1")
    assert float(row["ece"]) / 100 == pytest.approx(float(reference(pooled, label)), abs=1e-6)
    confidence, right = pooled.max(1).values.numpy(), (pooled.argmax(1) == label).numpy()
    places = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs((confidence - right)[places == index].sum()) for index in range(15)]
    assert float(row["ece"]) / 100 == pytest.approx(sum(gaps) / len(label), abs=1e-6)
    nll = torch.nn.functional.nll_loss(pooled.log(), label)
    assert float(row["nll"]) == pytest.approx(float(nll), abs=1e-6)
    brier = (pooled - torch.nn.functional.one_hot(label, 5)).square().sum(1).mean()
    assert float(row["brier"]) == pytest.approx(float(brier), abs=1e-6)
    assert float(row["aacc"]) == pytest.approx(100 * float(right.mean()))
    assert int(row["n_pixels"]) == len(label) and row["temperature"] == "1.0"
    assert f"{float(row['ece']):.2f}" in output
    bins = [line for line in rows(tmp_path / "out", "reliability.csv") if line["bins"] == "equal_width"]
    assert [int(line["n_pixels"]) for line in bins] == np.bincount(places, minlength=15).tolist()


def test_a_temperature_from_a_held_out_split_is_a_row_of_its_own(tmp_path: Path, held_out: Path, calibrate) -> None:
    code, output, errors = calibrate("--temperature-on", str(held_out))
    assert code == 0, errors
    plain, scaled = rows(tmp_path / "out", "calibration.csv")
    assert plain["temperature_from"] == "" and scaled["temperature_from"] == "held_out"
    assert float(scaled["nll"]) < float(plain["nll"])
    assert plain["miou"] == scaled["miou"]
    assert f"temperature {float(scaled['temperature']):.4f}, fitted on held_out" in " ".join(output.split())
    assert json.loads((tmp_path / "out" / "calibration.json").read_text())["temperature_seed"] == 0


@pytest.mark.parametrize(("largest", "end"), [(True, "0.001, is the coldest"), (False, "1000, is the hottest")])
def test_a_temperature_at_an_end_of_its_range_is_told(
    tmp_path: Path, data: Path, checkpoint: Path, held_out: Path, calibrate, largest: bool, end: str
) -> None:
    """All pixels are right, or all have the class with the least logit."""
    segmenter = Running(device="cpu").network(checkpoint, None).load()
    for sample in find_dataset(str(held_out), data).samples:
        with torch.inference_mode():
            logits = segmenter(sample.read_image()).logits.resized()
        label = logits.argmax(0) if largest else logits.argmin(0)
        Image.fromarray(label.to(torch.uint8).numpy()).save(sample.label)
    code, output, errors = calibrate("--temperature-on", str(held_out))
    assert code == 0, errors
    (warning,) = json.loads((tmp_path / "out" / "calibration.json").read_text())["warnings"]
    assert warning.startswith(f"the temperature of {checkpoint.stem} on held_out, {end} there is")
    assert warning in " ".join(errors.split()) and warning in " ".join(output.split())


def test_several_networks_side_by_side_with_all_diagrams(tmp_path: Path, checkpoint: Path, calibrate) -> None:
    other = tmp_path / "other" / checkpoint.name
    other.parent.mkdir()
    shutil.copy(checkpoint, other)
    code, _, errors = calibrate("--equal-mass", "--class-wise", ckpt=(str(checkpoint), str(other)))
    assert code == 0, errors
    names = [row["network"] for row in rows(tmp_path / "out", "calibration.csv")]
    assert names == [f"{tmp_path.name}/{checkpoint.stem}", f"other/{checkpoint.stem}"]
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.pdf")}
    classes = {f"reliability_classes/{name}.pdf" for name in ("sky", "building", "road", "vegetation", "car")}
    assert found == {"reliability.pdf", "reliability_equal_mass.pdf"} | classes
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert record["format_version"] == 1 and list(record["networks"]) == names
    text = (tmp_path / "out" / "calibration.tex").read_text()
    assert "calibration errors in percent" in text and "3 images" not in text
    assert calibrate()[0] == 2
    assert calibrate("--overwrite")[0] == 0


def test_refusals(tmp_path: Path, held_out: Path, checkpoint: Path, calibrate) -> None:
    path = str(checkpoint)
    assert_refused(calibrate("--temperature-on", str(tmp_path / "training.yaml")), "another split")
    assert_refused(calibrate(ckpt=(path, path)), "twice", "--names")
    assert_refused(calibrate("--names", "a", "b"), "2 names for 1 checkpoints")
    assert_refused(calibrate("--config", "a.py", "b.py"), "--config gives 2 values for 1 checkpoints")
    assert_refused(calibrate(dataset="road_anomaly"), "road_anomaly", "without class labels")
    assert nothing_left(tmp_path)
