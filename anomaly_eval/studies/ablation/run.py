"""One run of `gmmseg-anomaly ablate`: from a plan to the table of a study, whatever of it is done already."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from rich.console import Console

from anomaly_eval.datasets.samples import resolve_data_root
from anomaly_eval.errors import InputError
from anomaly_eval.reports.comparison import ComparisonTable
from anomaly_eval.reports.csv_files import csv_of
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.results.provenance import versions
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.machine import processor_name, usable_cores
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.segmenters.device import choose_device
from anomaly_eval.segmenters.imports import import_modules
from anomaly_eval.studies.ablation.collecting import ablation_rows, read_findings
from anomaly_eval.studies.ablation.data import check_classes, count_classes, wanted_datasets
from anomaly_eval.studies.ablation.doing import Workshop
from anomaly_eval.studies.ablation.folder import RECORD, TABLES, StudyFolder, study_folder
from anomaly_eval.studies.ablation.networks import check_refits, check_scores, set_up_network
from anomaly_eval.studies.ablation.plan import AblationPlan, PlannedRow
from anomaly_eval.studies.ablation.plan_file import load_plan
from anomaly_eval.studies.ablation.records import AblationRecord, AblationRow, Hardware, StepRecord, StudyRecord
from anomaly_eval.studies.ablation.request import AblationRequest
from anomaly_eval.studies.ablation.steps import Step, chosen_rows, pending, steps_of
from anomaly_eval.studies.ablation.study import study_of
from anomaly_eval.studies.ablation.tables import ablation_table, warnings_of_all
from anomaly_eval.studies.trainings import Training, train_all

_AT_ONCE_ON_CPU = 2


def run_ablation(request: AblationRequest, console: Console) -> ComparisonTable:
    """Do all steps of the chosen rows that are not done yet, write the tables, and return the table.

    All that can be told before the first training is. Raises InputError for a plan that is wrong, a network that
    cannot be built, a score or a refit that it cannot give, data that is not there or has other classes, a folder of
    something else or of another study, and where a step fails; finished steps stay.
    """
    refuse_lost_inputs(request, request.folder)
    import_modules(request.imports)
    plan = load_plan(request.plan)
    chosen = chosen_rows(plan, request.only)
    uses_gpu = choose_device(request.device).type == "cuda"
    data_root = resolve_data_root(request.data_root)
    steps = steps_of(plan, chosen)
    classes = count_classes(wanted_datasets(plan, steps), data_root)
    trained = [step.network for step in steps if step.kind == "train"]
    with console.status("building each network once"):
        setups = {name: set_up_network(name, plan, request.iterations or plan.iterations) for name in trained}
    check_scores(plan, [row.network for row in chosen], setups)
    check_refits(plan, steps, setups)
    check_classes(plan, chosen, steps, setups, classes)
    if request.init_from is not None and not request.init_from.is_file():
        raise InputError(f"there is no checkpoint file {request.init_from}; check --init-from.")
    study = study_of(plan, request, setups)
    with study_folder(request.folder, study, request.overwrite) as folder:
        workshop = Workshop(
            plan, setups, request.folder, data_root, request.init_from, request.seed, request.device, request.command
        )
        at_once = 1 if uses_gpu else _AT_ONCE_ON_CPU
        progress = _Progress(folder, console, _this_hardware(uses_gpu))
        _do_all(progress, steps, workshop, at_once)
        return _write(progress, plan, study, chosen, request.command, at_once)


class _Progress:
    """Says and notes what is done."""

    def __init__(self, folder: StudyFolder, console: Console, hardware: Hardware) -> None:
        self.folder, self.console, self.hardware = folder, console, hardware

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def done(self, step: Step, seconds: float, resumed: bool = False) -> None:
        """Keep the time of a step."""
        self.folder.note(
            StepRecord(kind=step.kind, network=step.network, seconds=seconds, resumed=resumed, hardware=self.hardware)
        )
        self.say(f"{step.name}: done in {seconds:.0f} s")


def _do_all(progress: _Progress, steps: Sequence[Step], workshop: Workshop, at_once: int) -> None:
    scores = workshop.plan.scores_of
    todo = pending(steps, lambda step: progress.folder.is_there(step, scores(step.network)))
    if len(todo) < len(steps):
        progress.say(f"{len(steps) - len(todo)} of {len(steps)} steps are done already")
    for step in todo:
        if step.kind == "evaluate" and progress.folder.is_there(step):
            progress.say(f"{step.name}: anew, for what changed since")
        # Whatever is there came from a network that is made anew.
        progress.folder.clear(step)
    trainings = {step.network: (step, workshop.training(step)) for step in todo if step.kind == "train"}
    if trainings:
        progress.say(f"to train: {', '.join(trainings)}")
        train_all(
            [training for _, training in trainings.values()],
            at_once,
            progress.console,
            finished=_noting(progress, trainings),
            held=[] if progress.folder.lock is None else [progress.folder.lock],
        )
    for step in todo:
        if step.kind != "train":
            started = time.perf_counter()
            workshop.do(step, progress.console)
            progress.done(step, time.perf_counter() - started)


def _noting(progress: _Progress, trainings: Mapping[str, tuple[Step, Training]]) -> Callable[[Training, float], None]:
    """Return what is called at the end of each training."""

    def finished(training: Training, seconds: float) -> None:
        step, _ = trainings[training.out.name]
        progress.done(step, seconds, training.resume)

    return finished


def _write(
    progress: _Progress,
    plan: AblationPlan,
    study: StudyRecord,
    chosen: Sequence[PlannedRow],
    command: Sequence[str],
    at_once: int,
) -> ComparisonTable:
    """Write the tables and the record, from what the steps wrote."""
    folder = progress.folder
    found = read_findings(folder.path, plan, list(dict.fromkeys(row.network for row in chosen)))
    rows = ablation_rows(plan, chosen, found)
    table = ablation_table(plan, study, chosen, found, rows)
    record = AblationRecord(
        command=shlex.join(command),
        study=study,
        rows=rows,
        steps=folder.steps(),
        trainings_at_once=at_once,
        cores_of_each_training=max(1, usable_cores() // at_once),
        hardware=progress.hardware,
        versions=versions(),
        warnings=list(warnings_of_all(found)),
    )
    texts = dict(zip(TABLES, (csv_of(AblationRow, rows), markdown_table(table), latex_table(table)), strict=True))
    for name, text in {**texts, RECORD: record.model_dump_json(indent=2) + "\n"}.items():
        write_atomically(folder.path / name, text.encode())
    return table


def _this_hardware(uses_gpu: bool) -> Hardware:
    """Return what this process runs on."""
    gpu = torch.cuda.get_device_name() if uses_gpu else None
    return Hardware(processor=processor_name(), cores=usable_cores(), gpu=gpu)
