"""A kind of network in one file is known to every command, with all that is not the network's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import interpolate

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.segmenters import kinds
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval.commands import SIZE, Command, assert_refused, read, rows

NAME = f"{kinds.__name__}.testnet"


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    """Put the file of the new kind beside the others."""
    folder = str(Path(__file__).parent / "new_kind")
    kinds.__path__.append(folder)
    kinds.network_kinds.cache_clear()
    yield
    kinds.__path__.remove(folder)
    kinds.network_kinds.cache_clear()
    sys.modules.pop(NAME, None)


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., Path]:
    """Write a network's file."""

    def write(**settings: object) -> Path:
        path = tmp_path / "net.testnet"
        path.write_text(json.dumps({"seed": 3, **settings}))
        return path

    return write


def coarse(image: np.ndarray) -> Tensor:
    """What the network says of an RGB image (height, width, 3), on a grid of a fourth, (1, classes, rows, columns)."""
    torch.manual_seed(3)
    body, head = torch.nn.Conv2d(3, 8, 7, stride=4, padding=3), torch.nn.Conv2d(8, 5, 1)
    normalised = (image[..., ::-1].astype(np.float32) - np.float32([120, 110, 100])) / np.float32([60, 61, 62])
    with torch.inference_mode():
        logits: Tensor = head(body(torch.from_numpy(normalised.transpose(2, 0, 1).copy())[None]).relu())
    return logits


def plain(image: np.ndarray) -> Tensor:
    """The same at the size of the image."""
    return interpolate(coarse(image), size=image.shape[:2], mode="bilinear")


def resized(image: np.ndarray) -> Tensor:
    """The same with `--resize 64x40`."""
    small = cv2.resize(image, (64, 40), interpolation=cv2.INTER_LINEAR)
    return interpolate(coarse(small), size=image.shape[:2], mode="bilinear")


def sliding(image: np.ndarray) -> Tensor:
    """The same in windows of 32x40 at strides of 24x36, the last of which end at the border."""
    total, count = torch.zeros(1, 5, *image.shape[:2]), torch.zeros(image.shape[:2])
    for top in (0, 24, 32):
        for left in (0, 36, 56):
            rows, columns = slice(top, top + 32), slice(left, left + 40)
            total[:, :, rows, columns] += plain(image[rows, columns])
            count[rows, columns] += 1
    return total / count


WINDOWS = {"crop": (32, 40), "stride": (24, 36)}
CASES = {
    "native": ({}, (), plain),
    "resized": ({}, ("--resize", "64x40"), resized),
    "own size": ({"size": (64, 40)}, (), resized),
    "windows": ({"windows": WINDOWS}, ("--window-batch", "2"), sliding),
}


@pytest.mark.parametrize(("settings", "options", "logits_of"), CASES.values(), ids=list(CASES))
def test_eval_runs_it(tmp_path: Path, data: Path, evaluate: Command, network, settings, options, logits_of) -> None:
    path = network(**settings)
    code, _, errors = evaluate("--scores", "msp", "max_logit", *options, ckpt=str(path))
    assert code == 0, errors
    scores: dict[str, list[np.ndarray]] = {"msp": [], "max_logit": []}
    labels = []
    for name in sorted(file.name for file in (data / "road_anomaly" / "images").iterdir()):
        image = np.asarray(Image.open(data / "road_anomaly" / "images" / name))
        logits = logits_of(image)[0].double()
        scores["msp"].append(-logits.softmax(0).amax(0).numpy().ravel())
        scores["max_logit"].append(-logits.amax(0).numpy().ravel())
        labels.append(np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / name)).ravel() == 2)
    for row in rows(tmp_path / "out"):
        expected = 100 * roc_auc_score(np.concatenate(labels), np.concatenate(scores[row["method"]]))
        assert float(row["auroc"]) == pytest.approx(expected, abs=1e-3)
    model = read(tmp_path).provenance.model
    assert (model.checkpoint, model.config) == ("net.testnet", "none")
    assert model.resize == ("native" if logits_of is not resized else "64x40")
    assert model.own_resize == ("size" in settings)
    assert model.inference.startswith("slide" if "windows" in settings else "whole")


def test_scores_are_fitted_to_its_features_and_classes_without_names_are_evaluated(
    tmp_path: Path, evaluate: Command, network
) -> None:
    training = str(tmp_path / "training.yaml")
    words = ("--fit-dataset", training, "--scores", "sml", "mahalanobis")
    code, _, errors = evaluate("--dataset", "road_anomaly", training, *words, ckpt=str(network()))
    assert code == 0, errors
    results = read(tmp_path)
    assert {row.method for row in results.rows} == {"sml", "mahalanobis"}
    assert len(results.closed_set_classes) == 5
    assert results.provenance.model.classes == [f"class {index}" for index in range(5)]
    assert not any("class names" in note for fit in results.provenance.fits.values() for note in fit.notes)


def test_class_names_are_compared(tmp_path: Path, evaluate: Command, network) -> None:
    path = network(classes=["sky", "building", "road", "vegetation", "cat"])
    refused = evaluate(dataset=str(tmp_path / "training.yaml"), ckpt=str(path))
    assert_refused(refused, "class 4 is 'car' in the dataset and 'cat' in the network")


def test_windows_of_a_dataset_go_before_its_own(network) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    segmenter = load_segmenter(network(), device="cpu", window_batch=3)
    found = segmenter.with_protocol(TestProtocol(slide=SlidingWindow(**WINDOWS)))(image)
    torch.testing.assert_close(found.logits.resized()[None], sliding(image), atol=1e-4, rtol=0)
    assert found.features is None and segmenter(image).features is not None


def test_what_it_cannot_do_is_refused_in_a_sentence(
    tmp_path: Path, data: Path, evaluate: Command, network, command: Command
) -> None:
    path = network(windows=WINDOWS)
    assert_refused(evaluate("--config", "a.py", ckpt=str(path)), "--config says nothing about", "net.testnet")
    assert_refused(evaluate(ckpt=str(tmp_path / "none.testnet")), "none.testnet cannot be read")
    assert_refused(evaluate(ckpt=str(path)), "cannot process an input of 96x64 (more than three at once)")
    out = tmp_path / "out.safetensors"
    assert_refused(command("networks", "export", path, "--out", out), "net.testnet is of a kind that is not exported")
    words = ["--dataset", tmp_path / "training.yaml", "--data-root", data, "--device", "cpu"]
    assert_refused(command("fit-mixtures", "--ckpt", path, "--out", out, *words), "net.testnet has no last layer")
    assert not out.exists()


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks"]) == 0
    assert (
        "; checkpoints of mmsegmentation" in (said := capsys.readouterr().out) and "files of a test (.testnet)" in said
    )
