"""Names for readers, of scores (they say them when registered) and datasets; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anomaly_eval.results.records import DatasetRecord

TITLES: dict[str, str] = {}
"""What readers call a score, by its name."""
_OF_RUN, _BEFORE_TITLE = "/", ": "


def method_name(method: str) -> str:
    """Return the name of a score as the literature writes it; an unknown one is returned as it is."""
    run, _, score = method.rpartition(_OF_RUN)
    return with_run(run, TITLES.get(score, score))


def with_run(run: str, title: str) -> str:
    """Return what a score with this title is called beside those of other runs; either may be empty."""
    return _BEFORE_TITLE.join(filter(None, [run, title]))


def without_run(name: str) -> tuple[str, str]:
    """Return the run, empty where there is none, and the title of the score in what `method_name` wrote."""
    run, _, title = name.rpartition(_BEFORE_TITLE)
    return run, title


def of_run(run: str, method: str) -> str:
    """Return what a score is called beside those of other runs; `method_name` writes it as `RUN: SCORE`."""
    return f"{run}{_OF_RUN}{method}"


def dataset_title(name: str, records: Iterable[DatasetRecord]) -> str:
    """Return the title of the dataset with this canonical name; without a record, the name itself."""
    return next((record.title for record in records if record.name == name), name)
