"""Several result folders in one table: read back, checked to be comparable, and put together."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.components import TRACKS
from anomaly_eval.reports.comparable import NamedRun, differences
from anomaly_eval.reports.notes import deviations
from anomaly_eval.results.record import Record
from anomaly_eval.results.records import FORMAT_VERSION, UNKNOWN_CLASS_MAPS, Conventions, DatasetRecord, Results
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.output_folder import RESULTS_FILE
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import first_problem

_LARGEST = 1 << 28
_EVAL, _REPLACING = "gmmseg-anomaly eval ", "--overwrite"
_OF_METHODS = ("rows", "intervals", "per_image", "components", "operating_points", "given_thresholds")
_KINDS = (*_OF_METHODS, "differences", "closed_set", "closed_set_classes")
_MIXED = "evaluate anew with the same, or give --mixed to have it said in a footnote"


def read_run(folder: Path) -> Results:
    """Read `results.json` of a folder that `eval` wrote.

    Raises InputError for a folder without it, one of another format version, and one that is not as it was written.
    """
    path = folder / RESULTS_FILE
    try:
        text = read_regular(path, _LARGEST)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder} holds no {RESULTS_FILE}; give a folder that `gmmseg-anomaly eval` wrote."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the file, or evaluate anew.") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); evaluate anew.") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        command = _again(_command(content))
        raise InputError(
            f"{path} has the format version {reprlib.repr(version)}, this version of gmmseg-anomaly reads "
            f"{FORMAT_VERSION}; evaluate anew{f' with `{command}`' if command else ''}."
        )
    try:
        results = Results.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} was not written by this tool: {first_problem(error)}; evaluate anew.") from error
    _check_consistent(results, path)
    return results


def _check_consistent(results: Results, path: Path) -> None:
    """Raise InputError for rows of datasets without a record, and for names that no table can show."""
    rows = [row for kind in _KINDS for row in getattr(results, kind)]
    known = {record.name for record in results.datasets}
    # Thresholds may come from images that are not there.
    names = {row.dataset for kind in _KINDS if kind != "given_thresholds" for row in getattr(results, kind)}
    if not names <= known:
        lost = min(names - known)[:100]
        raise InputError(f"{path} was not written by this tool: it has no record of {lost!r}; evaluate anew.")
    tracks = sorted({row.track for row in results.components} - TRACKS.keys())
    if tracks:
        raise InputError(f"{path} was not written by this tool: it has the track {tracks[0][:100]!r}; evaluate anew.")
    methods = {row.method for row in rows if hasattr(row, "method")}
    points = [*results.operating_points, *results.given_thresholds]
    told = {name for row in points for name in (row.dataset, row.learnt_on, row.point)}
    unfit = [name for name in (*known, *methods, *told) if not name.isprintable() or not name]
    if unfit:
        raise InputError(f"{path} was not written by this tool: it has the name {unfit[0][:100]!r}; evaluate anew.")


def combine(runs: Sequence[NamedRun], mixed: bool = False) -> Results:
    """Put runs, one or more, together; methods of several are called NAME/METHOD, datasets stay as they are.

    Provenance is that of the first run, and so is a convention in which runs differ. Raises InputError where runs
    differ in what makes their numbers incomparable, unless these are to be mixed; see `differences`.
    """
    found = differences(runs)
    if found and not mixed:
        listed = "; ".join(one.text for one in found)
        raise InputError(f"these results must not be compared: {listed}; {_MIXED}.")
    if len(runs) == 1:
        return runs[0].results
    first = runs[0].results
    negated = [of_run(run.name, method) for run in runs for method in run.results.provenance.negated]
    fits = {of_run(run.name, key): fit for run in runs for key, fit in run.results.provenance.fits.items()}
    return first.model_copy(
        update={
            **{kind: _renamed(runs, kind) for kind in _OF_METHODS},
            "differences": [],
            "closed_set": [row for run in runs for row in run.results.closed_set],
            "closed_set_classes": [],
            "datasets": records_of(runs),
            "conventions": first.conventions.model_copy(update={"class_maps": class_maps_of(runs)}),
            "provenance": first.provenance.model_copy(
                update={"fits": fits, "bootstrap": _bootstrap(runs), "negated": negated}
            ),
            "warnings": [f"{run.name}: {warning}" for run in runs for warning in run.results.warnings],
        }
    )


def records_of(runs: Sequence[NamedRun]) -> list[DatasetRecord]:
    """Return one record of each dataset: the first, or the first of those that are not of the whole set."""
    found: dict[str, DatasetRecord] = {}
    for run in runs:
        for record in run.results.datasets:
            before = found.setdefault(record.name, record)
            if deviations(record) and not deviations(before):
                found[record.name] = record
    return list(found.values())


def known_conventions(runs: Sequence[NamedRun]) -> Conventions:
    """Return the conventions of runs that differ in none, of the first whose score maps are not of unknown origin."""
    found = [run.results.conventions for run in runs]
    return next((one for one in found if one.class_maps != UNKNOWN_CLASS_MAPS), found[0])


def class_maps_of(runs: Sequence[NamedRun]) -> str:
    """Say how class maps became score maps, and of which runs nobody knows."""
    texts = {run.name: run.results.conventions.class_maps for run in runs}
    unknown = [name for name, text in texts.items() if text == UNKNOWN_CLASS_MAPS]
    if not unknown or len(unknown) == len(runs):
        return next(iter(texts.values()))
    known = next(text for text in texts.values() if text != UNKNOWN_CLASS_MAPS)
    return f"{known}; of {', '.join(unknown)} {UNKNOWN_CLASS_MAPS}"


def _bootstrap(runs: Sequence[NamedRun]) -> str | None:
    """Say how intervals came about: once where all runs have theirs alike, else for each run that has some."""
    found = {run.name: text for run in runs if (text := run.results.provenance.bootstrap) is not None}
    if len(set(found.values())) < 2:
        return next(iter(found.values()), None)
    return "; ".join(f"{name}: {text}" for name, text in found.items())


def _renamed(runs: Sequence[NamedRun], kind: str) -> list[Record]:
    rows: list[Record] = []
    for run in runs:
        rows += [row.model_copy(update={"method": of_run(run.name, row.method)}) for row in getattr(run.results, kind)]
    return rows


def _command(content: object) -> str:
    provenance = content.get("provenance") if isinstance(content, dict) else None
    command = provenance.get("command") if isinstance(provenance, dict) else None
    return command[:1000] if isinstance(command, str) and command.isprintable() else ""


def _again(command: str) -> str:
    """Return a command of `eval` such that it replaces what it wrote before; empty for anything else."""
    if not command.startswith(_EVAL):
        return ""
    return command if _REPLACING in command.split() else f"{command} {_REPLACING}"
