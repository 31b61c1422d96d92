"""Numbers that pages print are those of the files they come from."""

from __future__ import annotations

import re

import pytest

from anomaly_eval.scores import SCORES
from anomaly_eval.segmenters.zoo import named_network
from anomaly_eval.studies.ablation.plan_file import load_plan
from tests.docs.pages import CHECKOUT

_ROWS = {
    "softmax, MSP": ("softmax", "msp"),
    "softmax, max logit": ("softmax", "max_logit"),
    "GMMSeg, density": ("gmmseg", "gmmseg"),
    "GMMSeg, joint density (`max_logit`)": ("gmmseg", "max_logit"),
}


def page(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d+", cell)]


@pytest.mark.parametrize("row", _ROWS)
def test_networks_that_ship_reach_what_the_readme_says(row: str) -> None:
    (line,) = [line for line in page("README.md").splitlines() if line.startswith(f"| {row} |")]
    _, _, mean_iou, *cells, _ = line.split("|")
    kind, score = _ROWS[row]
    card = named_network(f"{kind}_efficientnet-lite0_cityscapes").card
    assert numbers(mean_iou) in ([], pytest.approx([card.closed_set[0].mean_iou], abs=0.051))
    scores = {result.dataset: result.scores[score] for result in card.anomaly}
    for cell, dataset in zip(cells, ("road_anomaly", "fishyscapes_lostandfound"), strict=True):
        assert numbers(cell) == pytest.approx(scores[dataset], abs=0.051)


def test_the_readme_counts_the_scores() -> None:
    assert f"of {len(SCORES)} scores" in " ".join(page("README.md").split())


@pytest.mark.parametrize("number", range(1, 6))
def test_tables_of_the_paper_take_so_many_trainings(number: int) -> None:
    (line,) = [line for line in page("docs/training.md").splitlines() if line.startswith(f"| `paper_table{number}` |")]
    plan = load_plan(f"paper_table{number}")
    assert int(line.split("|")[-2]) == sum(network.refit is None for network in plan.networks.values())
