"""Names for readers, of scores (they say them when registered) and datasets; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anomaly_eval.results.records import DatasetRecord

TITLES: dict[str, str] = {}
"""What readers call a score, by its name."""
_OF_RUN = "/"


def method_name(method: str) -> str:
    """Return the name of a score as the literature writes it; an unknown one is returned as it is."""
    run, _, score = method.rpartition(_OF_RUN)
    name = TITLES.get(score, score)
    return f"{run}: {name}" if run else name


def of_run(run: str, method: str) -> str:
    """Return what a score is called beside those of other runs; `method_name` writes it as `RUN: SCORE`."""
    return f"{run}{_OF_RUN}{method}"


def dataset_title(name: str, records: Iterable[DatasetRecord]) -> str:
    """Return the title of the dataset with this canonical name; without a record, the name itself."""
    return next((record.title for record in records if record.name == name), name)
