"""Whatever results.json, curves.csv and histograms.csv hold, a report comes out or one sentence."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.metrics.curves import Curve
from anomaly_eval.metrics.histograms import ScoreHistogram
from anomaly_eval.reports.report import run_report
from anomaly_eval.reports.request import ReportRequest
from anomaly_eval.results.curves import Distribution, distributions_csv, read_distributions
from anomaly_eval.results.records import (
    ClosedSetClassRow,
    ClosedSetRow,
    ComponentRow,
    Conventions,
    DatasetRecord,
    DifferenceRow,
    IntervalRow,
    PerImageRow,
    Provenance,
    Results,
    Row,
    Timing,
)
from tests.anomaly_eval.fuzzing.origins import FIT, MODEL
from tests.anomaly_eval.fuzzing.readers import ODD_NUMBERS, damaged, examples, only_input_errors, rearranged

NUMBERS = {"n_images": 2, "n_anomaly_pixels": 10, "n_inlier_pixels": 90}
PLACE = {"dataset": "own", "method": "msp"}


def record(name: str, task: Any) -> DatasetRecord:
    """Return the record of a data set."""
    return DatasetRecord(
        task=task,
        name=name,
        title=name.title(),
        layout="flat",
        n_images=2,
        expected_images=3,
        n_images_without_anomaly=1,
        n_void_pixels=7,
        image_sizes=[(20, 10)],
        card_sha256="c" * 64,
        files_sha256="f" * 64,
    )


RESULTS = Results(
    rows=[
        Row(**PLACE, auroc=90.0, ap=20.0, fpr95=30.0, **NUMBERS),
        Row(dataset="own", method="energy", auroc=91, ap=21, fpr95=29, **NUMBERS),
    ],
    intervals=[IntervalRow(**PLACE, metric=name, low=1, high=2, n_resamples=9) for name in ("auroc", "ap", "fpr95")],
    differences=[DifferenceRow(**PLACE, other="energy", metric="ap", difference=1, low=0, high=2, n_resamples=9)],
    per_image=[PerImageRow(**PLACE, per_image_auroc=90, per_image_ap=20, per_image_fpr95=30, n_images=1, n_left_out=1)],
    components=[
        ComponentRow(
            **PLACE,
            track="obstacle",
            threshold=0.5,
            threshold_from="best_f1",
            mean_siou=1,
            mean_ppv=2,
            mean_f1=3,
            n_components=4,
            n_predicted=5,
        )
    ],
    closed_set=[
        ClosedSetRow(
            dataset="classes", miou=50, macc=60, aacc=70, n_images=2, n_pixels=100, n_classes=2, protocol="card"
        )
    ],
    closed_set_classes=[
        ClosedSetClassRow(
            dataset="classes", class_id=0, name="road", iou=50, acc=60, n_label_pixels=5, n_predicted_pixels=6
        )
    ],
    datasets=[record("own", "anomaly"), record("classes", "closed_set")],
    conventions=Conventions(),
    provenance=Provenance(
        command="gmmseg-anomaly eval",
        started="2024-01-01T00:00:00+00:00",
        versions={"torch": "2"},
        platform="Linux",
        model=MODEL,
        fits={"sml": FIT},
        bootstrap="9 resamples",
    ),
    timing=Timing(load=1, input=1, forward=1, scores=1, metrics=1, output=1, fit=1, total=7, peak_memory_mb=9),
    warnings=["a warning"],
)
TREE = json.loads(RESULTS.model_dump_json())
TEXT = json.dumps(TREE).encode()
RATES = np.array([0.0, 0.5, 1.0])
DISTRIBUTION = Distribution(
    "own",
    "msp",
    Curve(np.array([np.inf, 0.5, -1.0]), RATES, RATES, RATES[::-1]),
    ScoreHistogram(np.array([0.0, 0.5, 1.0]), np.array([3, 4]), np.array([1, 2])),
)
FILES = {name: text.encode() for name, text in distributions_csv([DISTRIBUTION]).items()}


def report(content: bytes) -> None:
    """Put a results file into a report in all formats."""
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        run = Path(folder) / "run"
        run.mkdir()
        (run / "results.json").write_bytes(content)
        for name, text in FILES.items():
            (run / name).write_bytes(text)
        request = ReportRequest([run], Path(folder) / "out", with_published=True, intervals=True)
        run_report(request)


@given(content=damaged([TEXT]))
@examples(100)
def test_damaged_results(content: bytes) -> None:
    report(content)


@given(tree=rearranged(TREE))
@examples(150)
def test_other_values_in_results(tree: Any) -> None:
    report(json.dumps(tree).encode())


@given(tree=rearranged(TREE))
@examples(80)
def test_other_values_in_results_of_a_group(tree: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        runs = [Path(folder) / name for name in ("good", "other")]
        for run, content in zip(runs, (TREE, tree), strict=True):
            run.mkdir()
            (run / "results.json").write_text(json.dumps(content))
        run_report(ReportRequest(groups=[f"both={runs[0]},{runs[1]}"], out=Path(folder) / "out", intervals=True))


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
@examples(200)
def test_damaged_curves(name: str, data: st.DataObject) -> None:
    read({**FILES, name: data.draw(damaged([FILES[name]]))})


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
@examples(200)
def test_other_cells_in_curves(name: str, data: st.DataObject) -> None:
    lines = [line.split(",") for line in FILES[name].decode().splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        line = data.draw(st.sampled_from(lines))
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(ODD_NUMBERS.map(str))
    read({**FILES, name: "\n".join(",".join(line) for line in lines).encode()})


def read(files: dict[str, bytes]) -> None:
    """Read curves and histograms; what is read has the properties that figures rely on."""
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        for one in read_distributions(Path(folder)):
            assert (np.diff(one.curve.tpr) >= 0).all() and one.curve.tpr.max() <= 1
            assert (np.diff(one.histogram.edges) > 0).all() and (one.histogram.inliers >= 0).all()
