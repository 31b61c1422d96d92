"""What a study leaves behind: what was asked, what each step took, and one line for each number of the table."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from anomaly_eval.metrics import registry
from anomaly_eval.results.record import MetricRecord, Record


class Hardware(Record):
    """The processor, how many of its cores could be used, and the GPU, None where none was used."""

    processor: str
    cores: int
    gpu: str | None


class StudyRecord(Record):
    """The content of `plan.json`: what the steps of a folder depend on."""

    format_version: int = 1
    plan: dict[str, Any]
    seed: int
    iterations: int | None
    """None where each config says its own."""
    init_from_sha256: str | None
    """Of the checkpoint that all trainings start from, None where they start as their configs say."""
    configs_sha256: dict[str, str] = Field(default_factory=dict)
    """Of the config of each trained network with all options in it; of those that the chosen rows need."""


class StepRecord(Record):
    """One finished step: its wall time, on what it ran, and whether a training went on from an earlier start."""

    kind: str
    network: str
    seconds: float
    """Of the last start alone, where `resumed`."""
    resumed: bool
    hardware: Hardware


class StepsRecord(Record):
    """The content of `steps.json`."""

    steps: list[StepRecord]


class AblationRow(MetricRecord):
    """One line of `ablation.csv`: a score of a row on a dataset, in percent at full precision.

    Without an anomaly dataset there is neither score nor dataset, and no image of one.
    """

    section: str
    row: str
    network: str
    score: str | None
    dataset: str | None
    metrics: dict[str, float | None]
    """After each metric the middle 95 % over resamples of the images, KEY_low and KEY_high; None without any."""
    n_images: int
    closed_set: str | None
    """The dataset of the two that follow; they are the network's, whatever the score."""
    miou: float | None
    ece: float | None

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the ranking metrics, each with the ends of its interval."""
        return [f"{key}{end}" for key in registry.keys(registry.RANKING) for end in ("", "_low", "_high")]


class AblationRecord(Record):
    """The content of `ablation.json`."""

    format_version: int = 1
    command: str
    study: StudyRecord
    rows: list[AblationRow]
    steps: list[StepRecord]
    """Of all finished steps in the folder."""
    trainings_at_once: int
    cores_of_each_training: int
    hardware: Hardware
    """Of the run that wrote this record; each step has its own."""
    versions: dict[str, str]
    warnings: list[str]
