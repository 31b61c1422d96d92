"""Which steps a study has, in which order, and which of them are still to be done."""

from __future__ import annotations

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.steps import Step, chosen_rows, pending, steps_of


def plan(**datasets: str) -> AblationPlan:
    """Three networks in a line of refits, the last first, and one that no row asks for."""
    networks = {
        "c": {"refit": "b", "components": 1},
        "b": {"refit": "a"},
        "a": {"config": "x"},
        "unused": {"config": "y"},
    }
    rows = [
        {"name": "C", "network": "c", "scores": ["gmmseg"]},
        {"name": "A", "network": "a", "scores": ["msp"]},
        {"name": "A again", "network": "a", "scores": ["energy", "msp"]},
    ]
    return AblationPlan.model_validate(
        {
            "title": "t",
            "iterations": 1,
            "datasets": {"anomaly": ["d"], "fit": "f", **datasets},
            "networks": networks,
            "sections": [{"title": "s", "rows": rows}],
        }
    )


def names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def test_networks_are_made_before_what_is_made_of_them() -> None:
    found = steps_of(plan(), plan().rows)
    assert names(found) == ["train a", "refit b", "refit c", "evaluate c", "evaluate a"]
    assert str(found[2].result) == "networks/c.pth"


def test_a_closed_set_dataset_adds_classes_and_calibration() -> None:
    of_c = chosen_rows(plan(), ["C"])
    found = names(steps_of(plan(closed_set="k"), of_c))
    assert found == ["train a", "refit b", "refit c", "evaluate c", "closed set c", "calibrate c"]


def test_one_evaluation_serves_all_rows_whichever_are_chosen() -> None:
    assert plan().scores_of("a") == ("msp", "energy")
    with pytest.raises(InputError, match="--only 'a again' is no row of the plan; the nearest known one is 'A again'"):
        chosen_rows(plan(), ["a again"])


def test_what_came_from_something_that_is_made_anew_is_made_anew() -> None:
    steps = steps_of(plan(), plan().rows)
    assert pending(steps, lambda step: True) == []
    assert names(pending(steps, lambda step: step.name != "refit b")) == ["refit b", "refit c", "evaluate c"]
    assert pending(steps, lambda step: False) == steps
