"""`thresholds.json`: thresholds of methods, what they were chosen for and on which images, and for which network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord, Origin
from anomaly_eval.results.record import StrictRecord
from anomaly_eval.results.records import OperatingRow
from anomaly_eval.results.same_network import network_difference
from anomaly_eval.results.same_statistics import statistics_difference
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import first_problem

THRESHOLDS_FILE = "thresholds.json"
_KIND: Final = "gmmseg-anomaly thresholds"
_LARGEST = 1 << 24
_ANEW = "choose thresholds anew with `gmmseg-anomaly eval --operating-points`"


@dataclass(frozen=True)
class Behind:
    """What the scores of a method come from; None is not known, or nothing that was learnt."""

    model: ModelRecord | None = None
    fit: FitRecord | None = None


class Thresholds(StrictRecord):
    """The content of the file. Rows are of the datasets that their thresholds were chosen on."""

    kind: Literal["gmmseg-anomaly thresholds"] = _KIND
    format_version: Literal[1] = 1
    rule: str = "a pixel is predicted to be an anomaly where its score is at or above the threshold"
    origin: Origin
    negated: list[str] = Field(default_factory=list)
    """Methods whose scores were taken times -1 before."""
    fits: dict[str, FitRecord] = Field(default_factory=dict)
    """What the scores of methods learnt from; empty in files of earlier versions, which did not say."""
    rows: list[OperatingRow]

    def behind(self, method: str) -> Behind:
        """Return what the scores of a method came from when its thresholds were chosen."""
        if isinstance(self.origin, ModelRecord):
            model: ModelRecord | None = self.origin
        else:
            model = next((folder.model for folder in self.origin.folders if method in folder.methods), None)
        return Behind(model, self.fits.get(method))

    def of_methods(self, methods: Collection[str], path: Path, negated: Collection[str] | None) -> list[OperatingRow]:
        """Return the rows of methods, of which some are negated now; None where a command negates none.

        Raises InputError, which names the file, where it has none of theirs, and where a sign is another one.
        """
        rows = [row for row in self.rows if row.method in methods]
        if not rows:
            known = ", ".join(dict.fromkeys(row.method for row in self.rows)) or "nothing"
            raise InputError(f"{path} has thresholds of {known}, none of {', '.join(methods)}; {_ANEW}.")
        for name in dict.fromkeys(row.method for row in rows):
            before = name in self.negated
            if before == (name in (negated or ())):
                continue
            remedy = f"{'give' if before else 'leave out'} --negate {name}"
            if negated is None:
                remedy = f"{_ANEW} without --negate {name}, as scores are not negated here"
            state = "negated" if before else "not negated"
            raise InputError(f"the thresholds of {name} in {path} are of {state} scores; {remedy}.")
        return rows


def read_thresholds(path: Path) -> Thresholds:
    """Read a file; raises InputError where it is missing, is no such file, or holds NaN in the place of a threshold."""
    try:
        content = json.loads(read_regular(path, _LARGEST))
    except FileNotFoundError as error:
        raise InputError(f"there is no file of thresholds {path}; {_ANEW}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give --thresholds another file.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no file of thresholds, or is damaged; {_ANEW}.") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise InputError(f"{path} is no file of thresholds; give --thresholds a {THRESHOLDS_FILE}, or {_ANEW}.")
    try:
        found = Thresholds.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} holds no usable thresholds: {first_problem(error)}; {_ANEW}.") from error
    names = {name for row in found.rows for name in (row.dataset, row.method, row.point, row.learnt_on)}
    unfit = [name for name in names if not name.isprintable() or not name]
    if unfit:
        raise InputError(f"{path} holds no usable thresholds: it has the name {unfit[0][:100]!r}; {_ANEW}.")
    return found


def check_same_scores(path: Path, thresholds: Thresholds, methods: Mapping[str, Behind]) -> list[str]:
    """Raise InputError where the scores of a method are not those that its thresholds were chosen for.

    methods: what each of them comes from now. Score maps of unknown origin are of no network that could be another one.
    Returns what cannot be checked of a file of an earlier version, in words.
    """
    for method, now in methods.items():
        before = thresholds.behind(method)
        chosen = f"the thresholds of {method} in {path} were chosen with"
        if before.model is not None and now.model is not None:
            found = network_difference(before.model, now.model)
            if found is not None:
                raise InputError(f"{chosen} {found[0]}; {_ANEW} with {found[1]}.")
        if before.fit is not None and now.fit is not None:
            other = statistics_difference(before.fit, now.fit)
            if other is not None:
                raise InputError(f"{chosen} {other}; give the former, or {_ANEW}.")
    return _unchecked(path, thresholds, methods)


def _unchecked(path: Path, thresholds: Thresholds, methods: Mapping[str, Behind]) -> list[str]:
    learnt, averaged = list[str](), list[str]()
    for method, now in methods.items():
        before = thresholds.behind(method)
        if before.model is None or now.model is None:
            continue
        # Mixtures that were fitted after training, whose input is noted, are part of the weights.
        if before.fit is None and now.fit is not None and now.fit.input_note is None:
            learnt.append(method)
        if before.model.mean_of is None and now.model.mean_of is not None:
            averaged.append(method)
    unknown = {"what {} learnt from": learnt, "of which mean of networks {} is": averaged}
    return [
        f"{path} does not say {what.format(', '.join(names))}, so that nobody can tell whether its thresholds are of "
        f"the scores of now; {_ANEW} to be sure"
        for what, names in unknown.items()
        if names
    ]
