"""Runs of several seeds in one row: which runs are a group, and their means and deviations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_eval.errors import InputError
from anomaly_eval.reports.combining import known_conventions, records_of
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.places import Place, place
from anomaly_eval.results.record import MetricRecord, Record
from anomaly_eval.runtime.output_folder import RESULTS_FILE

KINDS = ("rows", "per_image", "components", "closed_set", "operating_points", "given_thresholds")
"""Fields of the results that are averaged."""


@dataclass(frozen=True)
class Group:
    """Runs that share a row, one or more, under the name that tables give it."""

    name: str
    runs: tuple[NamedRun, ...]
    left_out: tuple[str, ...] = ()
    """Means of networks that lay beside the runs: no further seeds."""


class GroupRow(Record):
    """One line of `groups.csv`: a metric over the runs of a group, in the unit of the tables."""

    group: str
    dataset: str
    method: str
    """Empty for closed-set metrics."""
    point: str = ""
    """What each run's own threshold was chosen for; empty for metrics without a threshold."""
    learnt_on: str = ""
    """The dataset that it was chosen on."""
    metric: str
    mean: float
    """NaN where a run has no value."""
    sd: float | None
    """The sample standard deviation, with n - 1 below; None for one run."""
    n: int
    """Runs of the group."""


def parse_groups(words: Sequence[str]) -> dict[str, list[Path]]:
    """Read words `NAME=RUN,RUN,RUN`.

    Raises InputError for another word, a name that is there twice or that no table can show, and a folder that a group
    has twice.
    """
    found: dict[str, list[Path]] = {}
    for word in words:
        name, equals, listed = word.partition("=")
        folders = [Path(one).expanduser() for one in listed.split(",") if one]
        if not equals or not name or not folders:
            raise InputError(
                f"--group {word} names no runs; give NAME=RUN,RUN,RUN, and runs without a group before --group."
            )
        if not name.isprintable():
            raise InputError(f"the name {name!r} of a group is not plain text; choose another.")
        if name in found:
            raise InputError(f"there are two groups {name!r}; choose another name for one of them.")
        _check_distinct(name, [folder.resolve() for folder in folders], folders)
        found[name] = folders
    return found


def check_copies(name: str, folders: Sequence[Path]) -> None:
    """Raise InputError where two runs of a group are one, also as a copy."""
    contents = [hashlib.sha256((folder / RESULTS_FILE).read_bytes()).digest() for folder in folders]
    _check_distinct(name, contents, folders)


def group_rows(group: Group) -> list[GroupRow]:
    """Return the mean and the deviation of each metric of each method on each dataset, at each threshold.

    What was measured at a threshold is known better than what the file of the threshold says.
    """
    found: list[GroupRow] = []
    for kind in KINDS:
        known = {place(row) for row in found}
        for rows in _alike(group, kind):
            if place(rows[0]) in known and kind == "given_thresholds":
                continue
            for key in rows[0].metrics:
                values = [row.metrics[key] for row in rows if key in row.metrics]
                if len(values) < len(group.runs):
                    continue
                with np.errstate(invalid="ignore"):
                    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
                at = place(rows[0])._asdict()
                found.append(GroupRow(group=group.name, **at, metric=key, mean=mean, sd=sd, n=len(values)))
    return found


def averaged(group: Group, found: Sequence[GroupRow]) -> NamedRun:
    """Return a run that has the means of the group's in the place of its numbers, for tables.

    Intervals, differences and classes are no run's in particular and left out. What is not averaged is the first run's,
    where all runs have the same or tables ask each for its own, such as thresholds.
    """
    first = group.runs[0].results
    means: dict[Place, dict[str, float]] = {}
    for row in found:
        means.setdefault(place(row), {})[row.metric] = row.mean
    fits = {
        name: fit.model_copy(update={"notes": _fit_notes(group, name)}) for name, fit in first.provenance.fits.items()
    }
    update: dict[str, Any] = {kind: [_with_means(rows, means) for rows in _alike(group, kind)] for kind in KINDS}
    update |= {kind: [] for kind in ("intervals", "differences", "closed_set_classes")}
    update["datasets"] = records_of(group.runs)
    update["conventions"] = known_conventions(group.runs)
    update["provenance"] = first.provenance.model_copy(update={"fits": fits, "bootstrap": None})
    update["warnings"] = [
        text if len(group.runs) == 1 else f"{run.name}: {text}" for run in group.runs for text in run.results.warnings
    ]
    update["warnings"] += _lone_thresholds(group)
    return NamedRun(group.name, group.runs[0].folder, first.model_copy(update=update))


def _alike(group: Group, kind: str) -> Iterator[list[Any]]:
    """Yield the rows of each method on each dataset, one a run, in the order of the first run.

    Thresholds that not all runs have are passed over; of all else `check_group` sees to it that all have it.
    """
    tables = [{place(row): row for row in getattr(run.results, kind)} for run in group.runs]
    for at in tables[0]:
        if all(at in table for table in tables):
            yield [table[at] for table in tables]


def _lone_thresholds(group: Group) -> list[str]:
    """Say of which thresholds there is no mean, as some runs have none: not asked for, or none serves the goal."""
    tables = {run.name: {place(row) for row in run.results.operating_points} for run in group.runs}
    texts = []
    for at in dict.fromkeys(place(row) for run in group.runs for row in run.results.operating_points):
        without = [name for name, table in tables.items() if at not in table]
        if without:
            goal = f"{at.point} on {at.learnt_on}"
            texts.append(f"{at.dataset}: no mean of {at.method} at {goal}, as {', '.join(without)} has no threshold")
    return texts


def _fit_notes(group: Group, score: str) -> list[str]:
    """Return what the runs note on a fitted score, those notes that are not of all with the runs' names."""
    whose: dict[str, dict[str, None]] = {}
    for run in group.runs:
        for note in run.results.provenance.fits[score].notes:
            whose.setdefault(note, {})[run.name] = None
    return [note if len(names) == len(group.runs) else f"{note} ({', '.join(names)})" for note, names in whose.items()]


def _with_means(rows: Sequence[MetricRecord], means: Mapping[Place, Mapping[str, float]]) -> MetricRecord:
    """Return the first of rows alike, with the means of its metrics."""
    own = means.get(place(rows[0]), {})
    update: dict[str, Any] = {"metrics": {key: own[key] for key in type(rows[0]).metric_keys() if key in own}}
    return rows[0].model_copy(update=update)


def _check_distinct(name: str, keys: Sequence[object], folders: Sequence[Path]) -> None:
    """Raise InputError where two folders of a group have the same key."""
    known: dict[object, Path] = {}
    for key, folder in zip(keys, folders, strict=True):
        before = known.setdefault(key, folder)
        if before is not folder:
            same = f"{folder} twice" if before == folder else f"{before} and {folder}, which are one run"
            raise InputError(f"the group {name} has {same}; leave one out.")
