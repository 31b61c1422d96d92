"""The command `grid`: the images that a brute-force search finds, drawn for all networks, with a record beside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.evaluation.closed_set import predicted_classes
from anomaly_eval.evaluation.fit import run_fit
from anomaly_eval.evaluation.fit_request import FitRequest
from anomaly_eval.metrics.closed_set import closed_set_metrics, confusion_matrix
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.segmenters.running import Running
from anomaly_eval.studies.grid import grid
from anomaly_eval.studies.grid.grid import run_grid
from anomaly_eval.studies.grid.grid_networks import NamedNetwork
from anomaly_eval.studies.grid.grid_rows import AnomalyRows, ClassRows
from anomaly_eval.studies.grid.request import GridRequest
from tests.shared_data import shared_checkpoint, shared_data

QUIET = Console(quiet=True)
ON_CPU = Running(device="cpu")


@pytest.fixture
def request_for(tmp_path: Path, data: Path, checkpoint: Path):
    """A request for the small network on the small anomaly dataset, with what is given replaced."""

    def make(**replaced: Any) -> GridRequest:
        plain = GridRequest(
            [checkpoint], "road_anomaly", tmp_path / "grid.pdf", data_root=data, scores=["msp"], running=ON_CPU
        )
        return replace(plain, **replaced)

    return make


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another checkpoint of the same network."""
    from tests.anomaly_eval import networks

    return networks.save(tmp_path / "other.pth", networks.CGNET, networks.build(networks.CGNET, seed=1))


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "grid.json").read_text())
    return found


def by_choice(folder: Path) -> dict[str, str]:
    return {image["choice"]: image["id"] for image in record(folder)["images"]}


def ranked(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda id: values[id], reverse=True)


def test_best_median_and_worst_by_the_first_score(request_for, tmp_path: Path) -> None:
    request = request_for(scores=["max_logit", "msp"])
    paths = run_grid(request, QUIET)
    assert paths == [tmp_path / name for name in ("grid.pdf", "grid.png", "grid.json")]
    assert all(path.stat().st_size for path in paths)
    segmenter = request.networks[0].load()
    measures: dict[str, dict[str, dict[str, float]]] = {}
    for sample in find_dataset("road_anomaly", request.data_root).samples:
        label = sample.read_label()
        if not (label == 1).any():
            continue
        with torch.inference_mode():
            maps = score_maps(segmenter(sample.read_image()), choose_scores(["max_logit", "msp"], segmenter.provides))
        measures[sample.id] = {
            name: {
                "auroc": 100 * roc_auc_score(label.ravel() == 1, maps[score].numpy().ravel()),
                "ap": 100 * average_precision_score(label.ravel() == 1, maps[score].numpy().ravel()),
            }
            for name, score in (("Max logit", "max_logit"), ("MSP", "msp"))
        }
    # Image 0 has no anomaly and is left out.
    best, median, worst = ranked({id: found["Max logit"]["auroc"] for id, found in measures.items()})
    assert by_choice(tmp_path) == {"best": best, "median": median, "worst": worst}
    found = record(tmp_path)
    assert (found["ranked_by"], found["n_images"], found["n_left_out"]) == ("Max logit: auroc", 4, 1)
    for image in found["images"]:
        for name, expected in measures[image["id"]].items():
            assert {key: image["measures"][name][key] for key in expected} == pytest.approx(expected)
    assert list(found["colour_scales"]) == ["Max logit", "MSP"]
    assert found["networks"][0]["model"]["checkpoint_sha256"] == segmenter.describe().checkpoint_sha256


def test_another_measure_and_fewer_choices(request_for, tmp_path: Path) -> None:
    run_grid(request_for(measure="ap", choose=("worst",), count=2), QUIET)
    found = record(tmp_path)
    assert found["ranked_by"] == "MSP: ap"
    assert [image["choice"] for image in found["images"]] == ["worst", "worst"]
    first, second = (image["measures"]["MSP"]["ap"] for image in found["images"])
    assert first <= second


def test_named_images_need_no_pass_over_the_others(
    request_for, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_rank", None)
    run_grid(request_for(images=["3", "0", "3"]), QUIET)
    found = record(tmp_path)
    assert [(image["id"], image["choice"]) for image in found["images"]] == [("3", None), ("0", None)]
    # Without an anomaly there is nothing to measure.
    assert found["images"][1]["measures"] == {"MSP": {}}
    assert found["ranked_by"] is None and found["n_left_out"] is None


def test_the_same_run_writes_the_same_bytes(request_for, tmp_path: Path) -> None:
    request = request_for(images=["1", "2"])
    first = [path.read_bytes() for path in run_grid(request, QUIET)]
    assert [path.read_bytes() for path in run_grid(replace(request, overwrite=True), QUIET)] == first


def test_several_networks_with_names_and_statistics(
    request_for, tmp_path: Path, data: Path, checkpoint: Path, other: Path
) -> None:
    files = [tmp_path / f"{index}.safetensors" for index in range(2)]
    for path, file in zip((checkpoint, other), files, strict=True):
        training = str(tmp_path / "training.yaml")
        run_fit(FitRequest(training, file, data, checkpoint=path, scores=["sml"], running=ON_CPU), QUIET)
    # The order of the files does not matter: each knows its checkpoint.
    request = request_for(
        checkpoints=[checkpoint, other], names=["A", "B"], scores=["msp", "sml"], statistics=files[::-1]
    )
    run_grid(replace(request, images=["1"]), QUIET)
    found = record(tmp_path)
    assert list(found["images"][0]["measures"]) == ["A: MSP", "A: SML", "B: MSP", "B: SML"]
    assert [network["name"] for network in found["networks"]] == ["A", "B"]
    assert found["networks"][0]["model"]["checkpoint_sha256"] != found["networks"][1]["model"]["checkpoint_sha256"]
    assert all(network["fits"]["sml"]["n_images"] == 3 for network in found["networks"])


@pytest.mark.parametrize("measure", ["miou", "accuracy"])
def test_closed_set_by_the_first_network(request_for, tmp_path: Path, checkpoint: Path, other: Path, measure) -> None:
    training = str(tmp_path / "training.yaml")
    request = request_for(checkpoints=[checkpoint, other], dataset=training, scores=None, measure=measure)
    run_grid(request, QUIET)
    segmenter, values = request.networks[0].load(), {}
    for sample in find_dataset(request.dataset, request.data_root).samples:
        with torch.inference_mode():
            predicted = predicted_classes(segmenter(sample.read_image()).logits)
        metrics = closed_set_metrics(confusion_matrix(predicted, sample.read_label(), 5))
        values[sample.id] = metrics.mean_iou if measure == "miou" else metrics.pixel_accuracy
    assert by_choice(tmp_path) == dict(zip(("best", "median", "worst"), ranked(values), strict=True))
    found = record(tmp_path)
    assert list(found["images"][0]["measures"]) == ["net", "other"]
    assert found["ranked_by"] == f"net: {measure}" and found["colour_scales"] == {}
    for image in found["images"]:
        assert image["measures"]["net"][measure] == pytest.approx(100 * values[image["id"]])


def test_ranking_keeps_no_image(request_for, data: Path, tmp_path: Path) -> None:
    segmenter = request_for().networks[0].load()
    network = NamedNetwork("net", segmenter, choose_scores(["msp"], segmenter.provides))
    for rows, dataset in (
        (AnomalyRows([network], True, 6), "road_anomaly"),
        (ClassRows([network], segmenter.classes, 6), str(tmp_path / "training.yaml")),
    ):
        sample = find_dataset(dataset, data).samples[1]
        assert rows.measure((sample, sample.read_image(), sample.read_label()))
        with pytest.raises(ValueError, match="no image"):
            rows.draw()


def test_void_alone_cannot_be_measured(request_for) -> None:
    segmenter = request_for().networks[0].load()
    rows = ClassRows([NamedNetwork("net", segmenter)], segmenter.classes, 6)
    image, void = np.zeros((64, 96, 3), np.uint8), np.full((64, 96), 255, np.uint8)
    sample = find_dataset("road_anomaly", request_for().data_root).samples[0]
    assert rows.measure((sample, image, void)) == {}


def test_a_real_frame(tmp_path: Path) -> None:
    request = GridRequest(
        [shared_checkpoint()],
        "fishyscapes_lostandfound",
        tmp_path / "grid",
        data_root=shared_data(),
        scores=["msp", "entropy"],
        images=["4"],
        running=ON_CPU,
    )
    pdf, png, _ = run_grid(request, QUIET)
    # Five of these stay below 5 MB.
    assert pdf.stat().st_size < 1e6 and png.stat().st_size < 1e6
    assert record(tmp_path)["images"][0]["measures"]["Entropy"]["auroc"] > 50
