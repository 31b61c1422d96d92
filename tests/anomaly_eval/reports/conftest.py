"""Results made by hand (an incomplete and a complete dataset, ties, a missing method, fitted scores), and `report`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from anomaly_eval.reports.tables import print_results
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.records import Conventions, DatasetRecord, Provenance, Results, Row, Timing
from tests.anomaly_eval.commands import Answer, Command

LOST_AND_FOUND, ROAD_ANOMALY = "fishyscapes_lostandfound", "road_anomaly"


def row(dataset: str, method: str, auroc: float, ap: float, fpr95: float) -> Row:
    """Return a row with the counts of a small set."""
    return Row(
        dataset=dataset,
        method=method,
        auroc=auroc,
        ap=ap,
        fpr95=fpr95,
        n_images=26,
        n_anomaly_pixels=130_001,
        n_inlier_pixels=9_000_017,
    )


def record(
    name: str,
    title: str,
    n_images: int,
    expected_images: int | None,
    task: Literal["anomaly", "closed_set"] = "anomaly",
) -> DatasetRecord:
    """Return the record of a dataset."""
    return DatasetRecord(
        task=task,
        name=name,
        title=title,
        layout="flat",
        n_images=n_images,
        expected_images=expected_images,
        n_images_without_anomaly=1 if task == "anomaly" else None,
        n_void_pixels=7,
        image_sizes=[(2048, 1024)],
        card_sha256="c" * 64,
        files_sha256="f" * 64,
    )


def terminal(results: Results, with_published: bool = False, width: int = 200) -> str:
    """Return what the terminal shows, without styles."""
    console = Console(file=io.StringIO(), width=width, record=True)
    print_results(console, results, with_published)
    return console.export_text()


@pytest.fixture
def results() -> Results:
    """Two datasets; the order of the methods differs between them, and Energy is missing on the second."""
    fit = FitRecord(
        dataset="cityscapes",
        n_images=4,
        expected_images=500,
        files_sha256="e" * 64,
        notes=["no pixel of the classes wall & train_car"],
    )
    return Results(
        rows=[
            row(LOST_AND_FOUND, "msp", 86.98765432101234, 6.0200000001, 45.1),
            row(LOST_AND_FOUND, "max_logit", 90.1, 6.02, 45.1),
            row(LOST_AND_FOUND, "energy", 1 / 3, float("nan"), 44.0),
            row(LOST_AND_FOUND, "sml", 90.1, 13.0, 44.99999999),
            row(LOST_AND_FOUND, "my_score", 12.5, 3.0, 99.0),
            row(ROAD_ANOMALY, "sml", 81.96, 25.82, 49.74),
            row(ROAD_ANOMALY, "msp", 56.49, 11.49, 83.45),
            row(ROAD_ANOMALY, "max_logit", 70.0, 11.0, 80.0),
            row(ROAD_ANOMALY, "mahalanobis", 71.0, 11.1, 79.0),
            row(ROAD_ANOMALY, "my_score", 60.0, 12.1, 81.0),
        ],
        datasets=[
            record(LOST_AND_FOUND, "Fishyscapes Lost&Found", 26, 100),
            record(ROAD_ANOMALY, "Road Anomaly", 60, 60),
        ],
        conventions=Conventions(),
        provenance=Provenance(
            command="gmmseg-anomaly eval",
            started="2024-01-01T00:00:00+00:00",
            versions={"torch": "2.4"},
            platform="Linux",
            model=ModelRecord(
                checkpoint="some/folder/cgnet_cityscapes_100%.pth",
                checkpoint_sha256="0123456789abcdef" * 4,
                config="cgnet_fcn_4xb4-60k_cityscapes-680x680.py",
                config_sha256="d" * 64,
                classes=["road", "sidewalk"],
                inference="slide, crop 768x768, stride 512x512",
                resize="native",
                device="cpu",
            ),
            fits={"sml": fit, "mahalanobis": fit},
        ),
        timing=Timing(load=1, input=1, forward=1, scores=1, metrics=1, output=1, fit=1, total=7, peak_memory_mb=100),
        warnings=["Fishyscapes Lost&Found: 26 of 100 images were found under x_y.", "a <second> | warning"],
    )


@pytest.fixture
def complete_results(results: Results) -> Results:
    """Only the complete dataset, with nothing fitted on it and no warning."""
    return results.model_copy(
        update={
            "rows": [row for row in results.rows if row.dataset == ROAD_ANOMALY],
            "datasets": [record for record in results.datasets if record.name == ROAD_ANOMALY],
            "provenance": results.provenance.model_copy(update={"fits": {}}),
            "warnings": [],
        }
    )


@pytest.fixture
def report(made: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `report` beside the runs that a module has `made`, and return what it answers, in one line."""
    monkeypatch.chdir(made)

    def run(*words: object) -> Answer:
        code, output, errors = command("report", *words, "--out", tmp_path / "report", "--overwrite")
        return code, " ".join(output.split()), errors

    return run
