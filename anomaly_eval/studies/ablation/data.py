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


def count_classes(plan: AblationPlan, data_root: Path) -> dict[str, int]:
    """Find all datasets of the plan; return how many classes each closed-set one has.

    Raises InputError for one that is not there or of another kind.
    """
    datasets = plan.datasets
    wanted: list[tuple[str | None, Task]] = [(name, "anomaly") for name in datasets.anomaly]
    wanted += [(datasets.fit, "closed_set"), (datasets.closed_set, "closed_set")]
    wanted += [(network.mixture_fields.get("dataset"), "closed_set") for network in plan.networks.values()]
    classes: dict[str, int] = {}
    for name, task in wanted:
        if name is not None:
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
        _check("closed-set", datasets.closed_set, name, setup.classes, classes)
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
