"""Plans: what they may say, and that each mistake is told in one sentence before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomaly_eval.errors import InputError
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.plan_file import load_plan

PLAN: dict[str, Any] = {
    "title": "Study",
    "iterations": 4,
    "datasets": {"anomaly": ["road_anomaly"], "closed_set": "camvid:test", "fit": "camvid:train"},
    "networks": {
        "a": {"config": "softmax_cgnet_camvid"},
        "b": {"refit": "a", "components": 2, "covariance": "full", "shrinkage": 0.5, "calibrated": False},
    },
    "sections": [{"title": "All", "rows": [{"name": "A", "network": "a", "scores": ["msp", "sml"]}]}],
}


def write(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    plan = yaml.safe_load(yaml.safe_dump(PLAN))
    change(plan)
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return folder / "plan.yaml"


def rows(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return plan["sections"][0]["rows"]  # type: ignore[no-any-return]


def without_anomalies(plan: dict[str, Any]) -> dict[str, Any]:
    """Leave classes alone to be measured."""
    plan["datasets"]["anomaly"] = []
    rows(plan)[0].pop("scores")
    return plan


def b_row(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the sections with a row of the other network in the first."""
    section = plan["sections"][0]
    return {"sections": [{**section, "rows": [*section["rows"], {"name": "B", "network": "b", "scores": ["gmmseg"]}]}]}


def test_classes_alone_can_be_measured_each_network_on_its_own_dataset(tmp_path: Path) -> None:
    def change(plan: dict[str, Any]) -> None:
        without_anomalies(plan).pop("iterations")
        plan["networks"]["a"]["closed_set"] = "camvid:val"

    plan = load_plan(str(write(tmp_path, change)))
    assert plan.iterations is None
    assert [plan.closed_set_of(network) for network in ("a", "b")] == ["camvid:val", "camvid:test"]


def test_a_plan_is_read_with_the_fields_of_mixtures(tmp_path: Path) -> None:
    plan = load_plan(str(write(tmp_path, lambda plan: plan.update(resize=512))))
    assert {"refit": "a", **plan.networks["b"].mixture_fields} == PLAN["networks"]["b"]
    assert plan.resize == "512"
    assert plan.scores_of("a") == ("msp", "sml")
    # What is recorded of a plan is the whole plan.
    assert AblationPlan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    "fields",
    [
        {"shrinkage": 0},
        {"shrinkage": 1},
        {"shrinkage": 0, "covariance": "diagonal"},
        {"variance_floor": 1},
        {"features": None},
    ],
)
def test_whole_numbers_are_numbers_for_a_field_of_any_number(fields: dict[str, Any], tmp_path: Path) -> None:
    plan = load_plan(str(write(tmp_path, lambda plan: plan["networks"]["b"].update(fields))))
    assert fields.items() <= plan.networks["b"].mixture_fields.items()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda plan: plan.update(iteration=3), "no field 'iteration'; the nearest known one is 'iterations'"),
        (lambda plan: plan.update(iterations=0), "iterations: "),
        (lambda plan: plan["datasets"].update(anomalies=["x"]), "the nearest known one is 'anomaly'"),
        (lambda plan: plan["datasets"].update(anomaly=[]), "has scores, and datasets.anomaly nothing to measure"),
        (lambda plan: rows(plan)[0].pop("scores"), "'A' has no scores for the anomaly datasets; name one"),
        (lambda plan: without_anomalies(plan)["datasets"].pop("closed_set"), "nothing to measure the row 'A' on"),
        (
            lambda plan: (plan.update(b_row(plan)), plan["networks"]["b"].update(closed_set="ade20k")),
            "divide the section",
        ),
        (lambda plan: rows(plan)[0].update(published="MSP"), "has a published row, of no table; name one"),
        (lambda plan: plan.update(published={"table": 9}), "table 9 is not among the published ones, 1, 2, 3, 4, 5"),
        (
            lambda plan: plan.update(published={"table": 2, "missing": {"SynBoot": "x"}}),
            "table 2 has no row 'SynBoot'; the nearest known one is 'SynBoost'",
        ),
        (
            lambda plan: (plan.update(published={"table": 2}), rows(plan)[0].update(published="MPS")),
            "table 2 has no row 'MPS'",
        ),
        (lambda plan: plan["datasets"].update(anomaly=["x", "x"]), "'x' is there twice"),
        (lambda plan: plan["datasets"].pop("fit"), "name a dataset in datasets.fit"),
        (lambda plan: plan["networks"]["a"].update(option=["a=b"]), "the nearest known one is 'options'"),
        (lambda plan: plan["networks"]["a"].update(options=["a"]), "write dotted.name=value"),
        (lambda plan: plan["networks"]["a"].update(options=["train_cfg.max_iters=3"]), "plan's `iterations`"),
        (lambda plan: plan.update(options=["train_cfg.max_iters=3"]), "plan's `iterations`"),
        (lambda plan: plan["networks"]["a"].update(refit="b"), "give either config"),
        (lambda plan: plan["networks"]["b"].pop("refit"), "give either config"),
        (lambda plan: plan["networks"]["b"].update(options=["a=b"]), "a refit has the fields of fit-mixtures"),
        (lambda plan: plan["networks"]["b"].update(component=3), "the nearest known one is 'components'"),
        (lambda plan: plan["networks"]["b"].update(seed=3), "no field 'seed' for a refit"),
        (lambda plan: plan["networks"]["b"].update(components="five"), "components is 'five'"),
        (lambda plan: plan["networks"]["b"].update(components=True), "components is 'True'"),
        (lambda plan: plan["networks"]["b"].update(components=0), "it must be at least 1"),
        (lambda plan: plan["networks"]["b"].update(covariance="round"), "covariance is 'round'"),
        (lambda plan: plan["networks"]["b"].update(shrinkage=1.01), "shrinkage is 1.01; it must be between 0 and 1"),
        (lambda plan: plan["networks"]["b"].update(shrinkage=2), "shrinkage is 2; it must be between 0 and 1"),
        (lambda plan: plan["networks"]["b"].update(shrinkage=-0.1), "it must be between 0 and 1"),
        (lambda plan: plan["networks"]["b"].update(shrinkage=math.nan), "it must be between 0 and 1"),
        (lambda plan: plan["networks"]["b"].update(shrinkage=True), "shrinkage is 'True'"),
        (lambda plan: plan["networks"]["b"].update(covariance="diagonal"), "add covariance: full"),
        (lambda plan: plan["networks"]["b"].pop("covariance"), "add covariance: full"),
        (lambda plan: plan["networks"]["b"].update(variance_floor=0), "variance_floor is 0; it must be above 0"),
        (lambda plan: plan["networks"]["b"].update(variance_floor=0.0), "it must be above 0"),
        (lambda plan: plan["networks"]["b"].update(variance_floor=math.inf), "it must be above 0 and finite"),
        (lambda plan: plan["networks"]["b"].update(refit="c"), "the refit of an unknown network 'c'"),
        (lambda plan: plan["networks"]["b"].update(refit="b"), "the refits b of b go in a circle"),
        (lambda plan: plan["networks"].update({"../a": {"config": "c"}}), "cannot be a folder's"),
        (lambda plan: plan["networks"].update({"A": {"config": "c"}}), "'a' is there twice"),
        (lambda plan: plan["networks"].update({"c": {"config": "softmax_cgnet_camvid"}}), "a and c are the same"),
        (lambda plan: rows(plan)[0].update(network="aa"), "unknown network 'aa'; the nearest known one is 'a'"),
        (lambda plan: rows(plan)[0].update(scores=["mps"]), "there is no score 'mps'; the nearest known one is 'msp'"),
        (lambda plan: rows(plan)[0].update(scores=["msp", "msp"]), "'msp' is there twice"),
        (lambda plan: rows(plan).append(rows(plan)[0]), "the row 'A' is there twice"),
        (lambda plan: rows(plan)[0].update(name="A\nB"), "line break"),
        (lambda plan: plan["sections"].append(plan["sections"][0]), "'A' is there twice"),
        (lambda plan: plan.update(sections=[]), "sections: "),
    ],
)
def test_a_mistake_is_told_in_one_sentence(change: Callable[[dict[str, Any]], Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_plan(str(write(tmp_path, change)))
    text = str(error.value)
    assert told in text
    assert text.startswith(f"the plan {tmp_path / 'plan.yaml'} is wrong: ") and text.endswith("; correct it.")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "has no fields"), ("a: 1\na: 2", "has the key 'a' twice"), ("a: [", "is not valid YAML")],
)
def test_a_file_that_is_no_plan(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(content)
    with pytest.raises(InputError, match=told) as error:
        load_plan(str(tmp_path / "plan.yaml"))
    assert str(error.value).startswith("the plan ")


def test_a_plan_that_is_not_there() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_plan("no/such/plan.yaml")
    with pytest.raises(InputError, match="there is no plan 'camvit'; the nearest known one is 'camvid'"):
        load_plan("camvit")
