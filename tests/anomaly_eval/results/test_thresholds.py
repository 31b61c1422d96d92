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
    return Thresholds(origin=MODEL, rows=[row])


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


def test_what_a_file_does_not_say_is_doubted_where_it_matters() -> None:
    found, path = of(1.0), Path("f")
    mixtures = FIT.model_copy(update={"notes": [MODEL.input_note]})
    (doubt,) = check_same_scores(path, found, {"msp": Behind(MODEL, FIT)})
    assert "f does not say what msp learnt from" in doubt
    # Mixtures are part of the weights, and of score maps of unknown origin nothing is known in any case.
    for behind in (Behind(MODEL), Behind(MODEL, mixtures), Behind(None, FIT)):
        assert check_same_scores(path, found, {"msp": behind}) == []
    assert check_same_scores(path, found.model_copy(update={"fits": {"msp": FIT}}), {"msp": Behind(MODEL, FIT)}) == []
