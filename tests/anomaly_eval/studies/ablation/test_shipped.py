"""The plan that ships names configs, options and data that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.reports.published_tables import published_numbers, read_published_table
from anomaly_eval.runtime.shipped import config_source, shipped_folder
from anomaly_eval.studies.ablation.networks import check_scores, length_options, set_up_network
from anomaly_eval.studies.ablation.plan_file import load_plan

PAPER = [f"paper_table{number}" for number in published_numbers()]
PLANS = sorted(path.stem for path in (shipped_folder("configs") / "ablations").glob("*.yaml"))


def test_there_are_plans() -> None:
    assert {"camvid", *PAPER} <= set(PLANS)


@pytest.mark.parametrize("name", PLANS)
def test_its_datasets_and_configs_ship(name: str) -> None:
    plan = load_plan(name)
    assert all(load_card(reference)[0].task == "anomaly" for reference in plan.datasets.anomaly)
    closed_sets = {plan.closed_set_of(network) for network in plan.networks}
    for reference in filter(None, {plan.datasets.fit, *closed_sets}):
        assert load_card(reference)[0].task == "closed_set"
    for network in plan.networks.values():
        assert network.config is None or Path(config_source(network.config)).is_file()
    assert {row.network for row in plan.rows} | {one.refit for one in plan.networks.values()} >= set(plan.networks)


@pytest.mark.parametrize("name", PAPER)
def test_every_published_number_is_to_be_measured_or_said_to_be_missing(name: str) -> None:
    plan = load_plan(name)
    assert plan.published is not None and name.endswith(str(plan.published.table))
    planned = {
        (row.published, dataset)
        for row in plan.rows
        for dataset in (plan.closed_set_of(row.network), *plan.datasets.anomaly)
    }
    for row, found in read_published_table(plan.published.table).rows.items():
        for dataset in found:
            assert (row, dataset) in planned or plan.published.missing.get(row), (row, dataset)
    assert all(row.published for row in plan.rows)


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_plan_trains_as_the_paper_does(name: str) -> None:
    """Whole batches in one process, and as long as configs say, which are tested against the paper elsewhere."""
    plan = load_plan(name)
    assert plan.iterations is None
    for network, planned in plan.networks.items():
        if planned.config is not None:
            dataset = plan.closed_set_of(network)
            assert planned.config.endswith(f"_{dataset}")
            batch = 8 if dataset == "cityscapes" else 16
            assert f"train_dataloader.batch_size={batch}" in [*plan.options, *planned.options]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_its_networks_can_be_built_and_give_its_scores(name: str) -> None:
    plan = load_plan(name)
    trained = [network for network, planned in plan.networks.items() if planned.config is not None]
    setups = {network: set_up_network(network, plan, 100) for network in trained}
    check_scores(plan, trained, setups)
    for network, setup in setups.items():
        card, _ = load_card(plan.closed_set_of(network) or "")
        assert setup.classes == len(card.classes or ())
        # None of them needs more than what pip installs.
        assert not setup.calls_operations


def test_a_schedule_ends_with_its_training_and_a_warm_up_stays() -> None:
    config = Config(
        {
            "train_cfg": {"max_iters": 1000},
            "param_scheduler": [
                {"type": "LinearLR", "begin": 0, "end": 50},
                {"type": "PolyLR", "begin": 50, "end": 1000},
            ],
        }
    )
    assert length_options(config, 200) == [
        "train_cfg.max_iters=200",
        "train_cfg.val_interval=200",
        "param_scheduler.1.end=200",
        "default_hooks.checkpoint.interval=20",
    ]
    one = Config({"train_cfg": {"max_iters": 10}, "param_scheduler": {"type": "PolyLR", "end": 10}})
    assert "param_scheduler.end=5" in length_options(one, 5)
