"""A lone string or path stands for a list of itself wherever Python's users give lists of names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.fit_request import FitRequest
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.reports.request import FORMATS, ReportRequest
from anomaly_eval.runtime.lone_values import as_list_of
from anomaly_eval.score_maps.disk import MapsRequest
from anomaly_eval.scores import choose_scores
from anomaly_eval.segmenters.base import ALL_OUTPUTS
from anomaly_eval.studies.calibration.request import CalibrationRequest
from anomaly_eval.studies.grid.request import GridRequest

HERE = Path("here")


def test_requests_take_lone_values() -> None:
    evaluation = EvaluationRequest(datasets="road_anomaly", out=HERE, scores="msp")
    assert (evaluation.datasets, evaluation.scores) == (("road_anomaly",), ("msp",))
    report = ReportRequest(runs=HERE, names="mine", formats="md")
    assert (report.runs, report.names, report.formats) == ((HERE,), ("mine",), ("md",))
    assert FitRequest(checkpoint=HERE, dataset="cityscapes", out=HERE, scores="sml").scores == ("sml",)
    assert MapsRequest(HERE, "Mine") == MapsRequest((HERE,), ("Mine",))
    assert CalibrationRequest(checkpoints=HERE, dataset="cityscapes", names="mine").names == ("mine",)
    assert GridRequest(checkpoints=HERE, dataset="road_anomaly", scores="msp", images="7").images == ("7",)


def test_lists_stay_as_they_are() -> None:
    report = ReportRequest(runs=[HERE, HERE])
    assert report.runs == [HERE, HERE] and report.formats == FORMATS and report.out == Path("report")
    evaluation = EvaluationRequest(datasets=["a", "b"], out=HERE)
    assert (evaluation.datasets, evaluation.scores, evaluation.fit_dataset) == (["a", "b"], None, None)


def test_scores_and_their_options_take_lone_words() -> None:
    assert [score.name for score in choose_scores("msp", ALL_OUTPUTS)] == ["msp"]
    (score,) = choose_scores("sml", ALL_OUTPUTS, {"sml_without": "smoothing"})
    assert score.name == "sml_without_smoothing"
    with pytest.raises(InputError, match="there is no score 'mps'; did you mean 'msp'"):
        choose_scores("mps", ALL_OUTPUTS)


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        (Sequence[str], "msp", ["msp"]),
        (Sequence[str] | None, ("a", "b"), ["a", "b"]),
        (Sequence[str] | None, None, None),
        (Annotated[Sequence[str], "more"], {"msp": -0.5}, ["msp=-0.5"]),
        (Annotated[list[str], "more"], 0, ["0"]),
        (Sequence[str], range(3), ["0", "1", "2"]),
        (Sequence[float], (1, 2.5), [1, 2.5]),
        (float, 0.5, 0.5),
        (str, "a", "a"),
    ],
)
def test_what_python_writes_becomes_a_list_where_one_is_held(kind: object, given: object, taken: object) -> None:
    assert as_list_of(kind, given) == taken
