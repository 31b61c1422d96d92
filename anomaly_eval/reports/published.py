"""The numbers of the paper's Tables 1 and 2, to set beside measured ones."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from anomaly_eval.metrics import registry
from anomaly_eval.runtime.shipped import shipped_folder

SOURCE = "GMMSeg, NeurIPS 2022, Table 2"
# Prefix of the columns of a dataset in the files, and the canonical name of the dataset.
ANOMALY_COLUMNS = {"fs_laf": "fishyscapes_lostandfound", "road_anomaly": "road_anomaly"}
CLOSED_SET_SOURCE = "GMMSeg, NeurIPS 2022, Table 1"
CLOSED_SET_COLUMNS = {"ade20k": "ade20k", "cityscapes": "cityscapes", "cocostuff": "cocostuff10k"}


@dataclass(frozen=True)
class PublishedRow:
    """One method of the published table."""

    method: str
    resynthesis: bool
    """Whether the method uses an extra network that synthesises the image again."""
    ood_data: bool
    """Whether the method was trained with out-of-distribution data."""
    miou: float | None
    """Closed-set mean intersection over union on Cityscapes val in percent; None where not published."""
    metrics: dict[str, dict[str, float]]
    """By the canonical name of the dataset, then by the key of the metric, in percent."""


def read_published() -> list[PublishedRow]:
    """Read the table that ships with the project, in the order of the paper."""
    path = shipped_folder("reports") / "published" / "table2_anomaly.csv"
    return parse_published(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class PublishedClosedSetRow:
    """One network of the published closed-set table."""

    method: str
    backbone: str
    miou: dict[str, float]
    """By the canonical name of the dataset, in percent; datasets without a published number are missing."""


def read_published_closed_set() -> list[PublishedClosedSetRow]:
    """Read the closed-set table that ships with the project, in the order of the paper."""
    path = shipped_folder("reports") / "published" / "table1_closed_set.csv"
    return [
        PublishedClosedSetRow(
            method=line["method"],
            backbone=line["backbone"],
            miou={
                dataset: float(line[f"{prefix}_miou"])
                for prefix, dataset in CLOSED_SET_COLUMNS.items()
                if line[f"{prefix}_miou"]
            },
        )
        for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    ]


def parse_published(text: str) -> list[PublishedRow]:
    """Turn the content of `table2_anomaly.csv` into rows."""
    return [
        PublishedRow(
            method=line["method"],
            resynthesis=line["resynthesis"] == "yes",
            ood_data=line["ood_data"] == "yes",
            miou=float(line["cityscapes_miou"]) if line["cityscapes_miou"] else None,
            metrics={
                dataset: {
                    key: float(line[f"{prefix}_{key}"])
                    for key in registry.keys(registry.RANKING)
                    if f"{prefix}_{key}" in line
                }
                for prefix, dataset in ANOMALY_COLUMNS.items()
            },
        )
        for line in csv.DictReader(text.splitlines())
    ]
