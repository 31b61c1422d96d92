"""What a study has to do, in an order that works, and what of it is still to be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from anomaly_eval.errors import InputError, nearest
from anomaly_eval.studies.ablation.plan import AblationPlan, PlannedRow

Kind = Literal["train", "refit", "evaluate", "closed_set", "calibrate"]

_RESULTS: dict[Kind, str] = {
    "train": "training/{}/weights.pth",
    "refit": "networks/{}.pth",
    "evaluate": "evaluation/{}/results.json",
    "closed_set": "closed_set/{}/results.json",
    "calibrate": "calibration/{}/calibration.json",
}


@dataclass(frozen=True)
class Step:
    """One thing to do; it is done when its `result` is there, a file that appears whole or not at all."""

    kind: Kind
    network: str
    needs: tuple[Step, ...] = ()

    @property
    def result(self) -> PurePosixPath:
        """The file that says that the step is done, in the folder of the study."""
        return PurePosixPath(_RESULTS[self.kind].format(self.network))

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.kind.replace('_', ' ')} {self.network}"


def chosen_rows(plan: AblationPlan, only: Sequence[str]) -> tuple[PlannedRow, ...]:
    """Return the rows of these names, all where there are none; raises InputError for an unknown one."""
    names = [row.name for row in plan.rows]
    for name in only:
        if name not in names:
            raise InputError(f"--only {name!r} is no row of the plan; {nearest(name, names)}.")
    return tuple(row for row in plan.rows if not only or row.name in only)


def steps_of(plan: AblationPlan, rows: Sequence[PlannedRow]) -> list[Step]:
    """Return all steps for these rows: trainings, then refits, then the evaluations of each network."""
    makers: dict[str, Step] = {}
    for row in rows:
        _add_maker(row.network, plan, makers)
    evaluations: list[Step] = []
    for network in dict.fromkeys(row.network for row in rows):
        needs = (makers[network],)
        if plan.datasets.anomaly:
            evaluations.append(Step("evaluate", network, needs))
        if plan.closed_set_of(network) is not None:
            evaluations += [Step("closed_set", network, needs), Step("calibrate", network, needs)]
    trainings = [step for step in makers.values() if step.kind == "train"]
    refits = [step for step in makers.values() if step.kind == "refit"]
    return [*trainings, *refits, *evaluations]


def pending(steps: Sequence[Step], is_there: Callable[[Step], bool]) -> list[Step]:
    """Return the steps without a result, and those whose result came from something that has to be made anew."""
    todo: list[Step] = []
    for step in steps:
        if not is_there(step) or any(need in todo for need in step.needs):
            todo.append(step)
    return todo


def _add_maker(network: str, plan: AblationPlan, makers: dict[str, Step]) -> Step:
    """Add the step that makes a network, after those of the networks it is made from."""
    if network not in makers:
        source = plan.networks[network].refit
        made = Step("train", network) if source is None else Step("refit", network, (_add_maker(source, plan, makers),))
        makers[network] = made
    return makers[network]
