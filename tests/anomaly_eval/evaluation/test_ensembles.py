"""Means of networks and of views, as `eval` gives them, against the same by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_eval import evaluate as evaluate_from_python
from anomaly_eval.cli.main import main
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import assert_refused, rows
from tests.anomaly_eval.evaluation.journal.killing import content

NAMES = ("first", "second")
MEANS = ("mean_of_probabilities", "mean_of_scores")


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two softmax networks that differ in their weights."""
    return [
        networks.save(tmp_path / f"{name}.pth", networks.CGNET, networks.build(networks.CGNET, seed=seed))
        for seed, name in enumerate(NAMES)
    ]


@pytest.fixture
def words(tmp_path: Path, data: Path) -> Callable[..., list[str]]:
    def of(name: str, checkpoints: list[Path], *more: str) -> list[str]:
        sets = ["--dataset", "road_anomaly", str(tmp_path / "training.yaml"), "--data-root", str(data)]
        return [
            "eval",
            "--ckpt",
            *map(str, checkpoints),
            *sets,
            "--out",
            str(tmp_path / name),
            "--device",
            "cpu",
            *more,
        ]

    return of


def image(data: Path, index: int) -> np.ndarray:
    return np.asarray(Image.open(data / "road_anomaly" / "images" / f"{index}.png").convert("RGB"))


def saved(folder: Path, score: str, index: int) -> np.ndarray:
    found = cv2.imread(str(folder / "scores" / "road_anomaly" / score / f"{index}.tif"), cv2.IMREAD_UNCHANGED)
    return np.asarray(found)


def probabilities(path: Path, shown: np.ndarray) -> np.ndarray:
    """Return the softmax of the logits at the image's size, by torch's own resizing."""
    logits = load_segmenter(path, device="cpu")(shown).logits
    assert logits is not None
    size = shown.shape[:2]
    resized = torch.nn.functional.interpolate(logits.values[None], size, mode="bilinear", align_corners=False)
    return resized[0].softmax(0).numpy()


def test_means_of_networks(tmp_path: Path, data: Path, pair: list[Path], words: Any) -> None:
    more = ["--scores", "msp", "max_logit", "--save-scores", "--ensemble"]
    assert main(words("out", pair, *more)) == 0
    out = tmp_path / "out"
    for index in range(4):
        shown = image(data, index)
        expected = -np.mean([probabilities(path, shown) for path in pair], axis=0).max(0)
        np.testing.assert_allclose(saved(out / MEANS[0], "msp", index), expected, atol=2e-6)
        for score in ("msp", "max_logit"):
            maps = [saved(out / name, score, index).astype(np.float64) for name in NAMES]
            np.testing.assert_array_equal(saved(out / MEANS[1], score, index), np.mean(maps, 0).astype(np.float32))
    labels = [np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{index}.png")) > 0 for index in range(4)]
    pooled = np.concatenate([saved(out / MEANS[1], "max_logit", index).ravel() for index in range(4)])
    truth = np.concatenate([label.ravel() for label in labels])
    found = next(row for row in rows(out) if row["run"] == "mean of scores" and row["method"] == "max_logit")
    assert float(found["auroc"]) == pytest.approx(100 * roc_auc_score(truth, pooled), abs=1e-9)
    assert float(found["ap"]) == pytest.approx(100 * average_precision_score(truth, pooled), abs=1e-9)
    # Probabilities say nothing of the largest logit, and the classes of scores nobody knows.
    assert {row["method"] for row in rows(out) if row["run"] == "mean of probabilities"} == {"msp"}
    assert not (out / MEANS[1] / "closed_set.csv").exists()


def test_networks_beside_an_ensemble_are_as_they_are_alone_and_run_once(
    tmp_path: Path, pair: list[Path], words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = NetworkSegmenter.__call__

    def counted(self: NetworkSegmenter, shown: np.ndarray) -> Any:
        calls.append(1)
        return real(self, shown)

    monkeypatch.setattr(NetworkSegmenter, "__call__", counted)
    assert main(words("out", pair, "--ensemble", "mean")) == 0
    assert len(calls) == 2 * (4 + 3)
    for name, path in zip(NAMES, pair, strict=True):
        assert main(words(name, [path])) == 0
        assert content(tmp_path / "out" / name) == content(tmp_path / name)


def test_means_take_the_options_of_scores(tmp_path: Path, pair: list[Path], words: Any) -> None:
    assert main(words("out", pair, "--scores", "gen", "--gen-gamma", "0.3", "--ensemble")) == 0
    named = {row["run"]: row["method"] for row in rows(tmp_path / "out")}
    assert named == dict.fromkeys([*NAMES, "mean of probabilities", "mean of scores"], "gen_gamma_0.3")


def test_means_of_scores_of_two_kinds_are_warned_of(tmp_path: Path, pair: list[Path], words: Any, capsys: Any) -> None:
    other = networks.save_gmm(tmp_path / "gmm.pth")
    assert main(words("out", [pair[0], other], "--ensemble", "--scores", "max_logit", "--page")) == 0
    assert "have scales of their own" in capsys.readouterr().err
    page = (tmp_path / "out" / "index.html").read_text()
    for name in ("first", "gmm", *MEANS):
        assert f'<a href="{name}/index.html">' in page and (tmp_path / "out" / name / "index.html").is_file()


def test_classes_of_the_mean_of_probabilities(tmp_path: Path, data: Path, pair: list[Path], words: Any) -> None:
    assert main(words("out", pair, "--scores", "msp", "--ensemble")) == 0
    counts = np.zeros((5, 5), np.int64)
    for index in range(3):
        shown = np.asarray(Image.open(data / "training" / "images" / f"{index}.png").convert("RGB"))
        label = np.asarray(Image.open(data / "training" / "labels_masks" / f"{index}.png"))
        predicted = np.mean([probabilities(path, shown) for path in pair], axis=0).argmax(0)
        np.add.at(counts, (label.ravel(), predicted.ravel()), 1)
    right = np.diag(counts)
    iou = right / (counts.sum(0) + counts.sum(1) - right)
    results = json.loads((tmp_path / "out" / MEANS[0] / "results.json").read_text())
    assert results["closed_set"][0]["miou"] == pytest.approx(100 * iou.mean(), abs=0.02)


def test_closed_sets_alone(tmp_path: Path, pair: list[Path], words: Any) -> None:
    def without_anomalies(name: str, checkpoints: list[Path], *more: str) -> list[str]:
        return [word for word in words(name, checkpoints, *more) if word != "road_anomaly"]

    def closed_set(*parts: str) -> Any:
        return json.loads(tmp_path.joinpath(*parts, "results.json").read_text())["closed_set"]

    assert main(words("all", pair, "--ensemble", "mean", "--tta", "flip", "--scores", "msp")) == 0
    assert main(without_anomalies("out", pair, "--ensemble", "mean", "--tta", "flip")) == 0
    assert main(without_anomalies("alone", pair[:1], "--tta", "flip")) == 0
    assert closed_set("alone") == closed_set("out", NAMES[0])
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {*NAMES, MEANS[0]}
    for name in (*NAMES, MEANS[0]):
        assert closed_set("out", name) == closed_set("all", name)
    model = json.loads((tmp_path / "alone" / "results.json").read_text())["provenance"]["model"]
    assert model["tta"] == "flip"


def test_classes_are_averaged_whatever_the_scores(tmp_path: Path, pair: list[Path], words: Any) -> None:
    everything = ["--save-scores", "--page", "--figures", "--bootstrap", "5", "--components", "obstacle"]
    assert main(words("out", pair, "--ensemble", "mean", "--scores", "max_logit", *everything)) == 0
    found = {path.name for path in (tmp_path / "out" / MEANS[0]).iterdir()}
    assert "closed_set.csv" in found and not found & {"results.csv", "scores", "figures"}
    assert {row["run"] for row in rows(tmp_path / "out")} == {*NAMES, "mean of scores"}


def test_options_of_scores_go_to_the_mean_of_probabilities(tmp_path: Path, pair: list[Path], words: Any) -> None:
    assert main(words("out", pair, "--ensemble", "mean", "--scores", "gen", "--gen-gamma", "0.7")) == 0
    named = {row["run"]: row["method"] for row in rows(tmp_path / "out")}
    assert named == dict.fromkeys([*NAMES, "mean of probabilities", "mean of scores"], "gen_gamma_0.7")


def test_an_interrupted_ensemble_goes_on(tmp_path: Path, data: Path, pair: list[Path], words: Any, capsys: Any) -> None:
    label = data / "road_anomaly" / "labels_masks" / "3.png"
    sound = label.read_bytes()
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(label)
    fit = ["--fit-dataset", str(tmp_path / "training.yaml"), "--ensemble"]
    assert main(words("out", pair, *fit)) == 2
    label.write_bytes(sound)
    capsys.readouterr()
    assert main(words("out", pair, *fit)) == 0
    assert capsys.readouterr().err.count("goes on: 3 of 4 images") == 4
    assert main(words("whole", pair, *fit)) == 0
    for name in (*NAMES, *MEANS):
        assert content(tmp_path / "out" / name) == content(tmp_path / "whole" / name)
    assert not list(tmp_path.glob(".*"))


def test_views_of_an_image(tmp_path: Path, data: Path, pair: list[Path], words: Any, capsys: Any) -> None:
    options = ["--scores", "msp", "max_logit", "--save-scores", "--tta", "flip,0.75x"]
    assert main(words("out", pair[:1], *options)) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "averaged over the views flip, 0.75x" in printed and "no test-time augmentation" not in printed
    assert "mean probabilities of the views flip, 0.75x" in printed
    for index in range(4):
        shown = image(data, index)
        height, width = shown.shape[:2]
        msp, logits = [], []
        for scale in (1.0, 0.75):
            small = cv2.resize(shown, (round(width * scale), round(height * scale))) if scale != 1 else shown
            for turn in (False, True):
                maps = load_segmenter(pair[0], device="cpu")(np.ascontiguousarray(small[:, ::-1] if turn else small))
                assert maps.logits is not None
                values = torch.nn.functional.interpolate(maps.logits.values[None], (height, width), mode="bilinear")[0]
                values = values.flip(2) if turn else values
                msp.append(values.softmax(0).numpy())
                logits.append(-values.max(0).values.numpy())
        np.testing.assert_allclose(saved(tmp_path / "out", "msp", index), -np.mean(msp, 0).max(0), atol=2e-6)
        np.testing.assert_allclose(saved(tmp_path / "out", "max_logit", index), np.mean(logits, 0), atol=2e-5)


def test_views_are_part_of_what_a_network_is(
    tmp_path: Path, data: Path, pair: list[Path], words: Any, capsys: Any
) -> None:
    label = data / "road_anomaly" / "labels_masks" / "3.png"
    sound = label.read_bytes()
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(label)
    assert main(words("out", pair[:1])) == 2
    label.write_bytes(sound)
    capsys.readouterr()
    assert_refused(
        (main(words("out", pair[:1], "--tta", "flip")), "", capsys.readouterr().err), "--tta was none and is"
    )
    assert main(words("plain", pair[:1], "--operating-points", "fpr=0.1")) == 0
    capsys.readouterr()
    thresholds = ["--thresholds", str(tmp_path / "plain" / "thresholds.json"), "--tta", "flip"]
    assert_refused(
        (main(words("viewed", pair[:1], *thresholds)), "", capsys.readouterr().err), "thresholds.json", "--tta"
    )


def test_ensembles_of_views_from_python(tmp_path: Path, data: Path, pair: list[Path]) -> None:
    found = evaluate_from_python(
        list(pair), "road_anomaly", data_root=data, scores=["msp"], tta="flip", ensemble="mean", progress=False
    )
    assert list(found.runs) == ["first", "second", "mean of probabilities", "mean of scores"]
    model = found.runs["mean of probabilities"].results.provenance.model
    assert model.tta == "flip" and [one.checkpoint for one in model.members] == ["first.pth", "second.pth"]


@pytest.mark.parametrize(
    ("count", "more", "sentence"),
    [
        (1, ["--ensemble"], "--ensemble averages several networks"),
        (2, ["--ensemble", "--launcher", "pytorch"], "leave out --launcher"),
        (2, ["--ensemble", "--scores", "nothing"], "nothing"),
        (1, ["--tta", "rot90"], "--tta 'rot90' is not understood"),
        (1, ["--tta", "1x"], "counts"),
        (2, ["--tta", "flip", "flip"], "is there twice"),
    ],
)
def test_what_is_refused(pair: list[Path], words: Any, count: int, more: list[str], sentence: str, capsys: Any) -> None:
    sentence = "count the image's own size twice" if sentence == "counts" else sentence
    assert_refused((main(words("out", pair[:count], *more)), "", capsys.readouterr().err), sentence)


def test_networks_of_other_classes_are_not_averaged(tmp_path: Path, pair: list[Path], words: Any, capsys: Any) -> None:
    other = networks.save(tmp_path / "other.pth", networks.CGNET, dataset_meta={"classes": [*"abcde"]})
    places = [word for word in words("out", [pair[0], other], "--ensemble") if not word.endswith("training.yaml")]
    assert main(places) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and "class 0 is" in last and "same classes in the same order" in last
    assert not (tmp_path / "out").exists()
