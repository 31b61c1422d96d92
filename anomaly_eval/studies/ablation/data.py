"""The datasets of a plan: found, and of the classes of the networks, before hours are spent on trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anomaly_eval.datasets.cards import Task
from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.studies.ablation.networks import NetworkSetup
from anomaly_eval.studies.ablation.plan import AblationPlan, PlannedRow
from anomaly_eval.studies.ablation.steps import Step


def wanted_datasets(plan: AblationPlan, steps: Sequence[Step]) -> list[tuple[str, Task]]:
    """Return the datasets that the steps need, and of which kind each has to be."""
    datasets, networks = plan.datasets, dict.fromkeys(step.network for step in steps)
    wanted: list[tuple[str | None, Task]] = [(name, "anomaly") for name in datasets.anomaly]
    wanted += [(datasets.fit, "closed_set")]
    wanted += [(plan.closed_set_of(name), "closed_set") for name in networks]
    wanted += [(network.mixture_fields.get("dataset"), "closed_set") for network in plan.networks.values()]
    return list(dict.fromkeys((name, task) for name, task in wanted if name is not None))


def count_classes(wanted: Sequence[tuple[str, Task]], data_root: Path) -> dict[str, int]:
    """Find these datasets; return how many classes each closed-set one has.

    Raises InputError for one that is not there or of another kind.
    """
    classes: dict[str, int] = {}
    for name, task in wanted:
        card = find_dataset(name, data_root).card
        if card.task != task:
            kind = "an anomaly" if task == "anomaly" else "a closed-set"
            raise InputError(f"the plan names {name} as {kind} dataset, which it is not; correct its `datasets`.")
        if task == "closed_set":
            classes[name] = len(card.classes or ())
    return classes


def check_classes(
    plan: AblationPlan,
    rows: Sequence[PlannedRow],
    steps: Sequence[Step],
    setups: Mapping[str, NetworkSetup],
    classes: Mapping[str, int],
) -> None:
    """Refuse closed-set datasets with another number of classes than a network that they evaluate or fit."""
    datasets = plan.datasets
    for name, setup in setups.items():
        _check("closed-set", plan.closed_set_of(name), name, setup.classes, classes)
    for row in rows:
        if plan.learns(row.network):
            _check("fitting", datasets.fit, row.network, setups[plan.trained(row.network)].classes, classes)
    for step in steps:
        if step.kind == "refit":
            dataset = plan.networks[step.network].mixture_fields.get("dataset", datasets.fit)
            _check("fitting", dataset, step.network, setups[plan.trained(step.network)].classes, classes)


def _check(kind: str, dataset: str | None, network: str, own: int, classes: Mapping[str, int]) -> None:
    if dataset is not None and classes[dataset] != own:
        raise InputError(
            f"the network {network} has {own} classes, the {kind} dataset {dataset} {classes[dataset]}; name the "
            f"dataset that its config trains on."
        )
