"""Whole commands on networks of transformers."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval.commands import Command, assert_refused, nothing_left, read, rows
from tests.anomaly_eval.segmenters.huggingface import small_networks
from tests.anomaly_eval.segmenters.huggingface.small_networks import CLASSES, MASKS, build, save


@pytest.mark.parametrize("name", list(MASKS))
def test_eval_of_mask_classifiers(tmp_path: Path, data: Path, evaluate: Command, name: str) -> None:
    folder = save(tmp_path / "net", build(MASKS[name]()))
    code, output, errors = evaluate("--heatmaps", "2", ckpt=str(folder))
    assert code == 0, errors
    table = {row["method"]: row for row in rows(tmp_path / "out")}
    assert list(table) == ["rba", "max_evidence", "evidence_entropy"] and "Evidence entropy" in output
    segmenter = load_segmenter(folder, device="cpu")
    scores, labels = [], []
    for index in range(4):
        image = np.asarray(Image.open(data / "road_anomaly" / "images" / f"{index}.png"))
        labels.append(np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{index}.png")).ravel() == 2)
        scores.append(-segmenter(image).class_maps.resized().double().tanh().sum(0).numpy().ravel())
    expected = 100 * roc_auc_score(np.concatenate(labels), np.concatenate(scores))
    assert float(table["rba"]["auroc"]) == pytest.approx(expected, abs=0.01)
    model = read(tmp_path).provenance.model
    assert (model.checkpoint, model.config, model.classes) == ("net", "config.json", list(CLASSES))
    assert list((tmp_path / "out").rglob("*.png"))


@pytest.mark.parametrize("name", ["mask2former", "segformer"])
def test_eval_goes_on_where_it_was_interrupted(
    tmp_path: Path, data: Path, evaluate: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from anomaly_eval.segmenters.protocol import NetworkSegmenter

    parts = MASKS[name]() if name in MASKS else small_networks.segformer()
    folder = str(save(tmp_path / "net", build(parts)))
    assert evaluate(ckpt=folder, out=str(tmp_path / "whole"))[0] == 0
    plain, seen = NetworkSegmenter.__call__, []

    def interrupted(self: NetworkSegmenter, image: np.ndarray) -> object:
        seen.append(image)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return plain(self, image)

    monkeypatch.setattr(NetworkSegmenter, "__call__", interrupted)
    assert evaluate(ckpt=folder)[0] != 0
    code, _, errors = evaluate(ckpt=folder)
    assert code == 0, errors
    # The third image again, and the fourth.
    assert len(seen) == 3 + 2
    assert (tmp_path / "out" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_mean_iou_of_a_mask_classifier(tmp_path: Path, data: Path, evaluate: Command) -> None:
    folder = save(tmp_path / "net", build(small_networks.mask2former()))
    code, _, errors = evaluate(ckpt=str(folder), dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    segmenter = load_segmenter(folder, device="cpu")
    hits, union = np.zeros(5), np.zeros(5)
    for index in range(3):
        image = np.asarray(Image.open(data / "training" / "images" / f"{index}.png"))
        label = np.asarray(Image.open(data / "training" / "labels_masks" / f"{index}.png"))
        predicted = segmenter(image).class_maps.resized().argmax(0).numpy()
        for number in range(5):
            hits[number] += np.count_nonzero((predicted == number) & (label == number))
            union[number] += np.count_nonzero((predicted == number) | (label == number))
    (row,) = read(tmp_path).closed_set
    assert row.metrics["miou"] == pytest.approx(100 * np.mean(hits / union), abs=1e-6)


def test_fit_eval_and_calibrate_of_a_semantic_head(
    tmp_path: Path, data: Path, evaluate: Command, command: Command
) -> None:
    folder, card = save(tmp_path / "net", build(small_networks.segformer())), tmp_path / "training.yaml"
    network = ("--ckpt", folder, "--data-root", data, "--device", "cpu")
    code, _, errors = command("fit", *network, "--dataset", card, "--out", tmp_path / "stats.safetensors")
    assert code == 0, errors
    code, _, errors = evaluate("--stats", str(tmp_path / "stats.safetensors"), ckpt=str(folder))
    assert code == 0, errors
    assert {row["method"] for row in rows(tmp_path / "out")} >= {"msp", "sml", "mahalanobis"}
    code, _, errors = command("calibrate", *network, "--dataset", card, "--out", tmp_path / "calibration")
    assert code == 0, errors
    with (tmp_path / "calibration" / "calibration.csv").open() as file:
        assert list(csv.DictReader(file))


def test_what_a_mask_classifier_cannot_do_is_said_in_a_sentence(
    tmp_path: Path, data: Path, evaluate: Command, command: Command
) -> None:
    folder, card = save(tmp_path / "net", build(small_networks.eomt())), tmp_path / "training.yaml"
    network = ("--ckpt", folder, "--data-root", data, "--device", "cpu")
    assert_refused(evaluate("--scores", "msp", ckpt=str(folder)), "the score 'msp' needs logits")
    assert_refused(command("calibrate", *network, "--dataset", card, "--out", tmp_path / "out"), "is a mask classifier")
    fitted = command("fit", *network, "--dataset", card, "--out", tmp_path / "stats.safetensors")
    assert_refused(fitted, "net", "gives nothing that sml, mahalanobis, knn, vim learn from")
    assert nothing_left(tmp_path) and not (tmp_path / "stats.safetensors").exists()


def test_a_grid_shows_evidence_and_classes(tmp_path: Path, data: Path, command: Command) -> None:
    folder = save(tmp_path / "net", build(small_networks.maskformer()))
    words = ("--ckpt", folder, "--dataset", "road_anomaly", "--data-root", data, "--device", "cpu")
    code, _, errors = command("grid", *words, "--out", tmp_path / "grid")
    assert code == 0, errors
    assert (tmp_path / "grid.png").exists()


def test_resize_processor_is_noted_and_refused_where_there_is_none(
    tmp_path: Path, checkpoint: Path, evaluate: Command
) -> None:
    folder = save(tmp_path / "net", build(small_networks.segformer()))
    code, _, errors = evaluate("--resize", "processor", ckpt=str(folder))
    assert code == 0, errors
    model = read(tmp_path).provenance.model
    assert (model.resize, model.own_resize) == ("96x64", True)
    folder = save(tmp_path / "other", build(small_networks.segformer()), small_networks.PREPROCESSING | {"size": None})
    for path in (checkpoint, folder):
        refused = evaluate("--resize", "processor", "--overwrite", ckpt=str(path))
        assert_refused(refused, path.name, "brings no size of an image processor for --resize processor")
