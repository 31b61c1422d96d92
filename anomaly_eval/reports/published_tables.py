"""All tables of the paper as they were printed, by number: what a study sets beside its own rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import MIOU
from anomaly_eval.reports.published import ANOMALY_COLUMNS, CLOSED_SET_COLUMNS
from anomaly_eval.runtime.shipped import shipped_folder

_PREFIXES = {**ANOMALY_COLUMNS, **CLOSED_SET_COLUMNS}
_METRICS = (MIOU.key, *registry.keys(registry.RANKING))


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper."""

    source: str
    """As notes cite it."""
    rows: Mapping[str, Mapping[str, Mapping[str, float]]]
    """By the name of the row, the canonical name of the dataset and the key of the metric, in percent."""


def published_numbers() -> dict[int, str]:
    """Return the files of the tables by their numbers."""
    files = sorted((shipped_folder("reports") / "published").glob("table*.csv"))
    return {int(path.stem.removeprefix("table").split("_")[0]): path.name for path in files}


def read_published_table(number: int) -> PublishedTable:
    """Read a table that ships with the project, its rows in the order of the paper; raises KeyError for an unknown one.

    Rows are called by their first column, and where it has no name of its own for each, by the first two:
    `em: vanilla loop 1`.
    """
    path = shipped_folder("reports") / "published" / published_numbers()[number]
    lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    first, second, *_ = lines[0]
    single = len({line[first] for line in lines}) == len(lines)
    names = [line[first] if single else f"{line[first]}: {line[second]}" for line in lines]
    return PublishedTable(f"GMMSeg, NeurIPS 2022, Table {number}", dict(zip(names, map(_numbers, lines), strict=True)))


def _numbers(line: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return what a line has by dataset and metric; its columns are called after both, `fs_laf_auroc`."""
    found: dict[str, dict[str, float]] = {}
    for column, text in line.items():
        prefix, _, metric = column.rpartition("_")
        if metric in _METRICS and prefix in _PREFIXES and text:
            found.setdefault(_PREFIXES[prefix], {})[metric] = float(text)
    return found


def read_published_runtime() -> dict[str, float]:
    """Return the frames a second of the paper's section 4.3 by network."""
    path = shipped_folder("reports") / "published" / "runtime.csv"
    return {line["method"]: float(line["fps"]) for line in csv.DictReader(path.read_text("utf-8").splitlines())}
