"""Files of thresholds are JSON that any reader takes, and are read again with every digit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.records import OperatingRow
from anomaly_eval.results.thresholds import Behind, Thresholds, check_same_scores, read_thresholds
from tests.anomaly_eval.commands import strict_json

MODEL = ModelRecord(
    checkpoint="net.pth",
    checkpoint_sha256="0" * 64,
    config="checkpoint meta",
    config_sha256="1" * 64,
    classes=["road", "sky"],
    inference="whole",
    resize="native",
    device="cpu",
)
FIT = FitRecord(dataset="training", n_images=3, expected_images=3, files_sha256="a" * 64, notes=[])


def of(threshold: float, precision: float = 50.0) -> Thresholds:
    row = OperatingRow(
        dataset="road_anomaly",
        method="msp",
        point="f1",
        learnt_on="road_anomaly",
        threshold=threshold,
        metrics={"fpr": 1.0, "precision": precision},
        n_images=1,
        n_anomaly_pixels=1,
        n_inlier_pixels=1,
        n_false_alarms=0,
    )
    return Thresholds(origin=MODEL, fits={}, rows=[row])


@given(threshold=st.floats(allow_nan=False))
def test_thresholds_are_strict_json_and_read_again_exactly(
    threshold: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("run") / "thresholds.json"
    path.write_text(of(threshold).model_dump_json())
    strict_json(path)
    assert read_thresholds(path).rows[0].threshold.hex() == threshold.hex()


def test_infinities_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    content = of(-math.inf, math.nan).model_dump()
    path.write_text(json.dumps(content))
    assert "-Infinity," in path.read_text() and "NaN" in path.read_text()
    found = read_thresholds(path)
    assert found.rows[0].threshold == -math.inf and math.isnan(found.rows[0].metrics["precision"])


def test_mixtures_in_the_weights_need_no_word_in_the_file() -> None:
    earlier, mixtures = (
        of(1.0).model_copy(update={"fits": None}),
        FIT.model_copy(update={"notes": ["input native, whole"]}),
    )
    assert check_same_scores(Path("f"), earlier, {"msp": Behind(MODEL, mixtures)}) == []
    (doubt,) = check_same_scores(Path("f"), earlier, {"msp": Behind(MODEL, FIT)})
    assert "does not say what msp learnt from" in doubt
    assert check_same_scores(Path("f"), of(1.0), {"msp": Behind(MODEL, FIT)}) == []
