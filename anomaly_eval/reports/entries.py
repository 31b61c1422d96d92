"""What the rows of a report are of: single runs and groups of runs, read and named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly_eval.errors import InputError
from anomaly_eval.reports.alike import check_group
from anomaly_eval.reports.combining import read_run
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.groups import Group, GroupRow, averaged, check_copies, group_rows
from anomaly_eval.reports.names import run_names
from anomaly_eval.reports.places import Place, place
from anomaly_eval.results.origins import is_mean_of_networks
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import method_name, of_run
from anomaly_eval.runtime.output_folder import RESULTS_FILE
from anomaly_eval.runtime.safe_read import read_regular

REPORT_FILE = "report.json"
_LARGEST = 1 << 24


@dataclass(frozen=True)
class Entries:
    """Single runs, then groups."""

    singles: Sequence[NamedRun]
    groups: Sequence[Group]
    group_rows: Sequence[GroupRow]
    """Means and deviations of all groups."""

    @property
    def compared(self) -> list[NamedRun]:
        """What tables compare: single runs, and groups with means in the place of numbers."""
        means = [averaged(group, [row for row in self.group_rows if row.group == group.name]) for group in self.groups]
        return [*self.singles, *means]

    @property
    def members(self) -> list[NamedRun]:
        """All runs, those of groups called GROUP/RUN."""
        of_groups = [replace(run, name=of_run(group.name, run.name)) for group in self.groups for run in group.runs]
        return [*self.singles, *of_groups]

    @property
    def runs_of(self) -> dict[str, Sequence[NamedRun]]:
        """The runs behind each entry, by its name."""
        return {run.name: [run] for run in self.singles} | {group.name: group.runs for group in self.groups}

    def rows_behind(self, kind: str) -> dict[Place, list[Any]]:
        """Return the rows of all runs behind those of a kind, by the method's name in files."""
        found: dict[Place, list[Any]] = {}
        for entry, runs in self.runs_of.items():
            for row in (row for run in runs for row in getattr(run.results, kind)):
                at = place(row)
                found.setdefault(at._replace(method=self.method_name(entry, at.method)), []).append(row)
        return found

    def line_name(self, entry: str, method: str) -> str:
        """Return what tables call a method of an entry, and an entry without one."""
        return method_name(self.method_name(entry, method)) if method else entry

    def method_name(self, entry: str, method: str) -> str:
        """Return what files call a method of an entry: with the entry's name where there are several."""
        return of_run(entry, method) if len(self.singles) + len(self.groups) > 1 else method


def read_entries(runs: Sequence[Path], names: Sequence[str], groups: Mapping[str, Sequence[Path]]) -> Entries:
    """Read the folders of all runs.

    Raises InputError for a folder that is no run, names that are there twice, and groups that cannot be averaged.
    """
    folders = [folder for one in runs for folder in _runs_within(one)]
    singles = _named(folders, [read_run(folder) for folder in folders], names)
    found = [_group(name, folders) for name, folders in groups.items()]
    known = {run.name for run in singles}
    for group in found:
        own = {group.name, *(of_run(group.name, run.name) for run in group.runs)}
        if known & own:
            raise InputError(f"two of the runs and groups are called {min(known & own)!r}; give one another name.")
        known |= own
        check_group(group)
    return Entries(singles, found, [row for group in found for row in group_rows(group)])


def _group(name: str, given: Sequence[Path]) -> Group:
    """Read the runs of a group; of a run of several networks not their means, which are no further seeds."""
    folders: list[Path] = []
    found: list[Results] = []
    means: list[Path] = []
    for one in given:
        for folder in _runs_within(one):
            results = read_run(folder)
            if folder != one and is_mean_of_networks(results.provenance.model):
                means.append(folder)
            else:
                folders.append(folder)
                found.append(results)
    if not folders:
        raise InputError(
            f"the group {name} has means of several networks alone, which are taken where their own folder is named, "
            f"such as --group {name}={means[0]}."
        )
    check_copies(name, folders)
    return Group(name, tuple(_named(folders, found)), tuple(run_names(means)))


def _named(folders: Sequence[Path], found: Sequence[Results], names: Sequence[str] = ()) -> list[NamedRun]:
    return [
        NamedRun(name, folder, results)
        for name, folder, results in zip(run_names(folders, names), folders, found, strict=True)
    ]


def _runs_within(folder: Path) -> list[Path]:
    """Return a folder of results; of a run of several networks, those of its networks in their order."""
    if (folder / RESULTS_FILE).exists():
        return [folder]
    try:
        record = json.loads(read_regular(folder / REPORT_FILE, _LARGEST))
        found = [folder / run["folder"] for run in record["runs"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [folder]
    # The runs of a report on others lie elsewhere.
    return [run for run in found if run.parent == folder and (run / RESULTS_FILE).exists()] or [folder]
