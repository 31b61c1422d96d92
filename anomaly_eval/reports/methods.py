"""Names for readers: of the scores and of the datasets."""

from __future__ import annotations

from collections.abc import Iterable

from anomaly_eval.results.records import DatasetRecord
from anomaly_eval.results.titles import TITLES

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
