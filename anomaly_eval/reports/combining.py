"""Several result folders in one table: read back, checked to be comparable, and put together."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.components import TRACKS
from anomaly_eval.results.records import FORMAT_VERSION, UNKNOWN_CLASS_MAPS, Conventions, Record, Results
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.output_folder import RESULTS_FILE
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import first_problem

_LARGEST = 1 << 28
_KINDS = ("rows", "intervals", "differences", "per_image", "components", "closed_set", "closed_set_classes")
_MIXED = "evaluate anew with the same, or give --mixed to have it said in a footnote"


@dataclass(frozen=True)
class NamedRun:
    """The results of one folder under the name that tables give them."""

    name: str
    folder: Path
    results: Results


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
        command = _command(content)
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
    names = {row.dataset for row in rows}
    if not names <= known:
        lost = min(names - known)[:100]
        raise InputError(f"{path} was not written by this tool: it has no record of {lost!r}; evaluate anew.")
    tracks = sorted({row.track for row in results.components} - TRACKS.keys())
    if tracks:
        raise InputError(f"{path} was not written by this tool: it has the track {tracks[0][:100]!r}; evaluate anew.")
    methods = {row.method for row in rows if hasattr(row, "method")}
    unfit = [name for name in (*known, *methods) if not name.isprintable() or not name]
    if unfit:
        raise InputError(f"{path} was not written by this tool: it has the name {unfit[0][:100]!r}; evaluate anew.")


def combine(runs: Sequence[NamedRun], mixed: bool = False) -> Results:
    """Put runs, one or more, together; methods of several are called NAME/METHOD, datasets stay as they are.

    What the whole run is said of, conventions and provenance, is that of the first run. Raises InputError where runs
    differ in a convention or in the images of a dataset, unless these are to be mixed; see `differences`.
    """
    found = differences(runs)
    if found and not mixed:
        raise InputError(f"these results must not be compared: {found[0]}; {_MIXED}.")
    if len(runs) == 1:
        return runs[0].results
    first = runs[0].results
    records = {record.name: record for run in reversed(runs) for record in run.results.datasets}
    order = dict.fromkeys(record.name for run in runs for record in run.results.datasets)
    class_maps = [run.results.conventions.class_maps for run in runs]
    known = next((text for text in class_maps if text != UNKNOWN_CLASS_MAPS), UNKNOWN_CLASS_MAPS)
    fits = {of_run(run.name, key): fit for run in runs for key, fit in run.results.provenance.fits.items()}
    return first.model_copy(
        update={
            **{kind: _renamed(runs, kind) for kind in ("rows", "intervals", "per_image", "components")},
            "differences": [],
            "closed_set": [row for run in runs for row in run.results.closed_set],
            "closed_set_classes": [],
            "datasets": [records[name] for name in order],
            "conventions": first.conventions.model_copy(update={"class_maps": known}),
            "provenance": first.provenance.model_copy(update={"fits": fits}),
            "warnings": [f"{run.name}: {warning}" for run in runs for warning in run.results.warnings],
        }
    )


def differences(runs: Sequence[NamedRun]) -> list[str]:
    """Say in what runs differ that makes their numbers incomparable: conventions, and the images of one dataset."""
    found = []
    for field in Conventions.columns():
        values = {run.name: str(run.results.conventions.model_dump()[field]) for run in runs}
        # Nobody knows how the score maps of others came about, which is no reason not to compare them.
        values = {name: value for name, value in values.items() if value != UNKNOWN_CLASS_MAPS}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name} has {value!r}" for name, value in values.items())
            found.append(f"in {field}, {listed}")
    hashes: dict[str, dict[str, str]] = {}
    for run in runs:
        for record in run.results.datasets:
            hashes.setdefault(record.name, {})[run.name] = record.files_sha256
    for dataset, values in hashes.items():
        names = list(values)
        other = next((name for name in names if values[name] != values[names[0]]), None)
        if other is not None:
            found.append(f"the images or labels of {dataset} in {other} are not those in {names[0]}")
    return found


def _renamed(runs: Sequence[NamedRun], kind: str) -> list[Record]:
    rows: list[Record] = []
    for run in runs:
        rows += [row.model_copy(update={"method": of_run(run.name, row.method)}) for row in getattr(run.results, kind)]
    return rows


def _command(content: object) -> str:
    provenance = content.get("provenance") if isinstance(content, dict) else None
    command = provenance.get("command") if isinstance(provenance, dict) else None
    return command[:1000] if isinstance(command, str) and command.isprintable() else ""
