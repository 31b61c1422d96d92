"""What a study would do and what it lacks, found out without doing or writing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import mmseg.datasets  # noqa: F401
from mmengine.registry import init_default_scope
from rich.console import Console

import gmmseg.transforms  # noqa: F401
from anomaly_eval.datasets.samples import resolve_data_root
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.imports import import_modules
from anomaly_eval.segmenters.zoo import checkpoint_file
from anomaly_eval.studies.ablation.data import count_classes, wanted_datasets
from anomaly_eval.studies.ablation.first_weights import missing_weights
from anomaly_eval.studies.ablation.folder import StudyFolder, check_folder
from anomaly_eval.studies.ablation.networks import NetworkSetup, check_refits, check_scores, set_up_network
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.plan_file import load_plan
from anomaly_eval.studies.ablation.records import StepRecord
from anomaly_eval.studies.ablation.request import AblationRequest
from anomaly_eval.studies.ablation.steps import Step, chosen_rows, pending, steps_of
from anomaly_eval.studies.ablation.study import study_of
from gmmseg.mmcv_ops import compiled_operations_exist
from gmmseg.training.config import load_config
from gmmseg.training.data import check_datasets, replace_data_root


@dataclass(frozen=True)
class StepOutlook:
    """One step: whether it is done, on what, and how long it took, None where that was not measured."""

    step: Step
    done: bool
    record: StepRecord | None
    setup: NetworkSetup | None
    """Of a network that is trained; None for others, and where it cannot be built here."""

    @property
    def hours(self) -> str:
        """Wall time in hours: of a finished step of this folder, and of nothing else."""
        if not self.done or self.record is None:
            return "not measured"
        # What was before an interruption is not in the record.
        return f"{'at least ' if self.record.resumed else ''}{self.record.seconds / 3600:.3g}"


@dataclass(frozen=True)
class Outlook:
    """All steps of a study, in their order, and what stands in their way, in sentences."""

    plan: AblationPlan
    folder: Path
    steps: Sequence[StepOutlook]
    missing: Sequence[str]

    @property
    def measured(self) -> list[StepRecord]:
        """The records of the finished steps."""
        return [one.record for one in self.steps if one.done and one.record is not None]

    def of_kind(self, *kinds: str) -> list[StepOutlook]:
        """Return the steps of these kinds."""
        return [one for one in self.steps if one.step.kind in kinds]


def look_ahead(request: AblationRequest, console: Console) -> Outlook:
    """Return what `run_ablation` would do with this request; raises InputError for a plan that is wrong."""
    import_modules(request.imports)
    plan = load_plan(request.plan)
    chosen = chosen_rows(plan, request.only)
    steps = steps_of(plan, chosen)
    data_root = resolve_data_root(request.data_root)
    missing: list[str] = []
    setups: dict[str, NetworkSetup] = {}
    with console.status("building each network once"):
        for step in steps:
            if step.kind == "train":
                with _noted(missing):
                    setups[step.network] = set_up_network(step.network, plan, request.iterations or plan.iterations)
    for wanted in wanted_datasets(plan, steps):
        with _noted(missing):
            count_classes([wanted], data_root)
    for setup in _one_of_each_dataset(setups):
        with _noted(missing):
            _check_training_data(setup, data_root)
    with _noted(missing):
        check_scores(plan, [row.network for row in chosen if plan.trained(row.network) in setups], setups)
        check_refits(plan, steps, setups)
    if request.init_from is None:
        sources = dict.fromkeys(source for setup in setups.values() for source in setup.pretrained)
        missing += filter(None, map(missing_weights, sources))
    with _noted(missing):
        if request.init_from is not None:
            request = replace(request, init_from=checkpoint_file(request.init_from, "--init-from"))
        check_folder(request.folder, study_of(plan, request, setups), request.overwrite)
    if not compiled_operations_exist():
        callers = [name for name, setup in setups.items() if setup.calls_operations]
        missing += [f"compiled operations of mmcv, which {', '.join(callers)} may call"] if callers else []
    folder = StudyFolder(request.folder, None)
    scores = plan.scores_of
    todo = pending(steps, lambda step: not request.overwrite and folder.is_there(step, scores(step.network)))
    records = {(record.kind, record.network): record for record in folder.steps()}
    outlooks = [
        StepOutlook(step, step not in todo, records.get((step.kind, step.network)), setups.get(step.network))
        for step in steps
    ]
    return Outlook(plan, request.folder, outlooks, [text.rstrip(".") for text in dict.fromkeys(missing)])


@contextmanager
def _noted(missing: list[str]) -> Iterator[None]:
    """Take a refusal for something that is missing, and go on."""
    try:
        yield
    except InputError as error:
        missing.append(str(error))


def _one_of_each_dataset(setups: Mapping[str, NetworkSetup]) -> list[NetworkSetup]:
    """Return setups such that each training dataset is that of one of them: looking through one takes its time."""
    return list({repr(setup.training_data): setup for setup in setups.values()}.values())


def _check_training_data(setup: NetworkSetup, data_root: Path) -> None:
    """Raise InputError, as `train` would, where files are missing."""
    init_default_scope("mmseg")
    config = load_config(setup.config, setup.options)
    replace_data_root(config, data_root)
    check_datasets(config)
