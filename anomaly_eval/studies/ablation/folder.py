"""The folder of a study: taken by one run at a time, gone on with if it is of the same study, and never of another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.locks import BusyError, try_lock
from anomaly_eval.runtime.output_folder import (
    FolderKind,
    cannot_write,
    check_output,
    missing_parents,
    remove_empty,
    write_atomically,
)
from anomaly_eval.studies.ablation.records import StepRecord, StepsRecord, StudyRecord
from anomaly_eval.studies.ablation.sameness import changed_config, study_difference
from anomaly_eval.studies.ablation.steps import Step
from gmmseg.training.checkpoints import newest_checkpoint

_PLAN, _STEPS, _LOCK = "plan.json", "steps.json", ".lock"
_FOLDERS = ("training", "networks", "evaluation", "closed_set", "calibration")
RECORD, TABLES = "ablation.json", ("ablation.csv", "ablation.md", "ablation.tex")
ABLATION = FolderKind(
    _PLAN,
    entries=frozenset({_PLAN, _STEPS, _LOCK, RECORD, *TABLES, *_FOLDERS}),
)


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder, held by this run. `lock` is the file descriptor that holds it, None without locks."""

    path: Path
    lock: int | None

    def is_there(self, step: Step, scores: Collection[str] = ()) -> bool:
        """Whether the result of a step is there; that of an evaluation has to have these scores in it."""
        if not (self.path / step.result).is_file():
            return False
        return step.kind != "evaluate" or set(scores) <= self._scores_of(step)

    def _scores_of(self, step: Step) -> set[str]:
        """Return the scores in the result of an evaluation; none where it cannot be read, so that it is made anew."""
        try:
            found = json.loads((self.path / step.result).read_bytes())
            return {str(row["method"]) for row in found["rows"]}
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def clear(self, step: Step) -> None:
        """Remove the result of a step that is to be made anew; an unfinished training stays, to be gone on with."""
        result = self.path / step.result
        if step.kind == "refit":
            _remove(result)
        elif step.kind != "train":
            _remove(result.parent)

    def steps(self) -> list[StepRecord]:
        """Return the records of the finished steps; none where they cannot be read, as they are for information."""
        try:
            return StepsRecord.model_validate_json((self.path / _STEPS).read_bytes()).steps
        except (OSError, ValidationError):
            return []

    def note(self, record: StepRecord) -> None:
        """Keep the record of a finished step in the place of an earlier one."""
        kept = [one for one in self.steps() if (one.kind, one.network) != (record.kind, record.network)]
        content = StepsRecord(steps=[*kept, record]).model_dump_json(indent=2) + "\n"
        write_atomically(self.path / _STEPS, content.encode())

    def made(self) -> set[str]:
        """Return the networks that are there, whole or as a checkpoint of their training."""
        trainings = [path for path in (self.path / "training").glob("*") if path.is_dir()]
        trained = {path.name for path in trainings if (path / "weights.pth").is_file() or newest_checkpoint(path)}
        return trained | {path.stem for path in (self.path / "networks").glob("[!.]*.pth")}

    def trained(self) -> bool:
        """Whether any training was started, as its log is there."""
        return any((self.path / "training").glob("*.log"))

    def evaluated(self) -> set[str]:
        """Return the networks whose scores are there."""
        return {path.parent.name for path in (self.path / "evaluation").glob("[!.]*/results.json")}

    def empty(self) -> None:
        """Remove all that a study writes, except for the lock."""
        # The plan goes last: what an interruption leaves is still known to be ours.
        for name in sorted(ABLATION.entries - {_LOCK}, key=lambda name: name == _PLAN):
            _remove(self.path / name)

    def remove_partial(self) -> None:
        """Remove files that a killed run left half-written; folders are cleared by the steps that fill them."""
        for folder in (self.path, self.path / "networks"):
            for path in folder.glob(".*.partial-*"):
                _remove(path)


def check_folder(path: Path, study: StudyRecord, overwrite: bool) -> None:
    """Raise InputError where `study_folder` would refuse the folder of this study, but for another run at work."""
    if overwrite or not (path / _PLAN).is_file():
        check_output(path, overwrite, ABLATION)
    else:
        _gone_on_with(StudyFolder(path, None), study)


@contextmanager
def study_folder(path: Path, study: StudyRecord, overwrite: bool) -> Iterator[StudyFolder]:
    """Hold the folder of a study while the block runs: a new one, one to go on with, or with `overwrite` one emptied.

    A run that ends before its first training leaves nothing; what a training said stays, whatever came of it.
    Raises InputError for a folder that holds something else, results of another study, with the first difference, and
    one at which another run is at work.
    """
    known = (path / _PLAN).is_file()
    if overwrite or not known:
        check_output(path, overwrite, ABLATION)
    made = missing_parents(path / _LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    with _locked(path) as lock:
        folder = StudyFolder(path, lock)
        folder.remove_partial()
        if overwrite:
            folder.empty()
        elif known:
            study = _gone_on_with(folder, study)
        try:
            write_atomically(path / _PLAN, (study.model_dump_json(indent=2) + "\n").encode())
            for name in _FOLDERS:
                (path / name).mkdir(exist_ok=True)
            yield folder
        except BaseException:
            if not (folder.made() or folder.trained()):
                folder.empty()
                (path / _LOCK).unlink(missing_ok=True)
                remove_empty(made)
            raise


def _gone_on_with(folder: StudyFolder, study: StudyRecord) -> StudyRecord:
    """Return the record of the study with what the folder knows of the configs of networks that are left out now.

    Raises InputError where the folder holds results of another study; the first difference is named.
    """
    made, evaluated, new = folder.made(), folder.evaluated(), study.model_dump(mode="json")
    try:
        old = json.loads((folder.path / _PLAN).read_bytes())
        difference = study_difference(old, new, made)
        changed = changed_config(old, new, made)
        known = {name: str(sha256) for name, sha256 in old.get("configs_sha256", {}).items() if name in made}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.path / _PLAN} is damaged; start anew with --overwrite.") from error
    # What a failed training leaves is a log alone, and binds nobody.
    if difference is not None and (made or evaluated):
        name, before, now = difference
        raise InputError(
            f"{folder.path} holds results of another study: {name.removeprefix('study.')} was {before} and is {now}; "
            f"choose another --out, or start anew with --overwrite."
        )
    if changed is not None:
        raise InputError(
            f"{folder.path} holds results of another study: the config of {changed} was changed; choose another "
            f"--out, or start anew with --overwrite."
        )
    return study.model_copy(update={"configs_sha256": {**known, **study.configs_sha256}})


@contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Take the folder for this run and for the trainings that it starts; raises InputError where another has it."""
    (path / _LOCK).touch()
    try:
        descriptor = try_lock(path / _LOCK)
    except BusyError as error:
        raise InputError(
            f"another run is at work in {path}, or a training that it started; wait for it, or end it."
        ) from error
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
