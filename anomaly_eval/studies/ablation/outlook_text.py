"""What a study would do, in lines for a terminal or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from anomaly_eval.studies.ablation.outlook import Outlook, StepOutlook
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.tables import network_text


def outlook_text(outlook: Outlook) -> str:
    """Return trainings, refits and evaluations with their hours, then what is missing."""
    lines = [f"{outlook.plan.title}", f"Folder: {outlook.folder}. This is a dry run: nothing is written."]
    trainings, refits = outlook.of_kind("train"), outlook.of_kind("refit")
    evaluations = outlook.of_kind("evaluate", "closed_set", "calibrate")
    lines += ["", f"Trainings: {_count(trainings)}"]
    lines += _columns(
        [
            ("name", "config", "iterations", "batch", "hours", "options"),
            *(_training(one, outlook.plan) for one in trainings),
        ]
    )
    if outlook.plan.options:
        lines.append(f"  all with {', '.join(outlook.plan.options)}")
    if refits:
        lines += ["", f"Mixtures after training: {_count(refits)}"]
        what = [(one.step.network, _of_refit(one.step.network, outlook.plan), one.hours) for one in refits]
        lines += _columns([("name", "of", "hours"), *what])
    lines += ["", f"Evaluations: {_count(evaluations)}"]
    found = [
        (one.step.network, one.step.kind.replace("_", " "), _on(one, outlook.plan), one.hours) for one in evaluations
    ]
    lines += _columns([("network", "what", "on", "hours"), *found])
    measured = outlook.measured
    hours = f"{sum(one.seconds for one in measured) / 3600:.3g}" if measured else "not measured"
    lines += ["", f"Hours measured so far: {hours}, of {len(measured)} of {len(outlook.steps)} steps."]
    lines += ["Missing:" if outlook.missing else "Nothing is missing.", *(f"  - {text}" for text in outlook.missing)]
    return "\n".join(lines)


def _training(one: StepOutlook, plan: AblationPlan) -> tuple[str, ...]:
    planned = plan.networks[one.step.network]
    config = PurePath(planned.config or "").name.removesuffix(".py")
    length, batch = ("unknown",) * 2 if one.setup is None else (str(one.setup.iterations), str(one.setup.batch_size))
    return one.step.network, config, length, batch, one.hours, ", ".join(planned.options)


def _of_refit(network: str, plan: AblationPlan) -> str:
    return network_text(network, plan.networks).removeprefix("mixtures fitted after training to ")


def _on(one: StepOutlook, plan: AblationPlan) -> str:
    """Return the datasets of an evaluation, and the scores of one on anomalies."""
    if one.step.kind != "evaluate":
        return plan.closed_set_of(one.step.network) or ""
    return f"{', '.join(plan.datasets.anomaly)}: {', '.join(plan.scores_of(one.step.network))}"


def _count(steps: Sequence[StepOutlook]) -> str:
    done = sum(one.done for one in steps)
    return f"{len(steps)}, of which {done} {'is' if done == 1 else 'are'} done" if done else str(len(steps))


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
