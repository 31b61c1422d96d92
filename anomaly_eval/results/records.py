"""What an evaluation found and where it came from, as typed models: the content of `results.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from anomaly_eval.datasets.cards import Task
from anomaly_eval.metrics import registry
from anomaly_eval.results.origins import FitRecord, Origin
from anomaly_eval.results.record import MetricRecord, Record


class Row(MetricRecord):
    """One line of `results.csv`. Rates are percentages at full precision."""

    dataset: str
    method: str
    metrics: dict[str, float]
    n_images: int
    n_anomaly_pixels: int
    n_inlier_pixels: int

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the ranking metrics."""
        return registry.keys(registry.RANKING)


class IntervalRow(Record):
    """One line of `intervals.csv`: the middle 95 % of a metric over resamples of the images, in percent."""

    dataset: str
    method: str
    metric: str
    """A column of `results.csv`."""
    low: float
    high: float
    n_resamples: int
    """Resamples with both anomalies and inliers."""


class DifferenceRow(Record):
    """One line of `differences.csv`: the middle 95 % of a metric of `method` minus that of `other`, in points."""

    dataset: str
    method: str
    other: str
    metric: str
    difference: float
    """Of all images."""
    low: float
    high: float
    n_resamples: int


class PerImageRow(MetricRecord):
    """One line of `per_image.csv`: means over the images with both anomalies and inliers, in percent."""

    dataset: str
    method: str
    metrics: dict[str, float]
    n_images: int
    n_left_out: int
    """Images without an anomaly or without an inlier."""

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the means of the ranking metrics."""
        return registry.keys(registry.means_over_images())


class ComponentRow(MetricRecord):
    """One line of `components.csv`: the component metrics of SegmentMeIfYouCan, in percent."""

    dataset: str
    method: str
    track: str
    threshold: float
    threshold_from: str
    """`best_f1` of the pixels of the same dataset, or `given`."""
    metrics: dict[str, float]
    """The mean PPV is NaN where no component was predicted."""
    n_components: int
    n_predicted: int

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the component metrics."""
        return registry.keys(registry.COMPONENTS)


class OperatingRow(MetricRecord):
    """One line of `operating_points.csv`: what a threshold does on a dataset, rates in percent.

    What needs anomalies is NaN where there are none.
    """

    dataset: str
    method: str
    point: str
    """What the threshold was chosen for: `tpr=0.95`, `fpr=0.01`, `f1`."""
    learnt_on: str
    """The dataset that it was chosen on."""
    threshold: float
    """Pixels are predicted to be anomalies where their score is at or above it."""
    metrics: dict[str, float]
    n_images: int
    n_anomaly_pixels: int
    n_inlier_pixels: int
    n_false_alarms: int

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return what is measured at a threshold."""
        return registry.keys(registry.OPERATING_POINTS)

    @field_validator("threshold")
    @classmethod
    def _is_number(cls, threshold: float) -> float:
        if math.isnan(threshold):
            raise ValueError("a threshold must be a number, not NaN")
        return threshold


class ClosedSetRow(MetricRecord):
    """One line of `closed_set.csv`. Rates are percentages at full precision."""

    dataset: str
    metrics: dict[str, float]
    n_images: int
    n_pixels: int
    """Pixels that were counted, void left out."""
    n_classes: int
    """Classes that the mean IoU is of: those that occur in a label or a prediction."""
    protocol: str
    """Whose test settings were used, and which they are."""

    @property
    def whose_protocol(self) -> str:
        """Whose test settings were used, without which they are."""
        return self.protocol.partition(":")[0]

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the closed-set metrics."""
        return registry.keys(registry.CLOSED_SET)


class ClosedSetClassRow(MetricRecord):
    """One line of `closed_set_classes.csv`. Rates are percentages at full precision, NaN where there is none."""

    dataset: str
    class_id: int
    name: str
    metrics: dict[str, float]
    n_label_pixels: int
    n_predicted_pixels: int

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the metrics of a class."""
        return registry.keys(registry.CLASSES)


class DatasetRecord(Record):
    """Which images stood behind the rows of one dataset."""

    task: Task = "anomaly"
    name: str
    """Canonical name, with the variant where it is not the card's default: `fishyscapes_static:v2`."""
    title: str
    """What tables call the set, with the variant or version: `Fishyscapes Static (v2)`."""
    layout: str
    n_images: int
    expected_images: int | None
    n_images_without_anomaly: int | None
    """None in a closed-set dataset."""
    n_void_pixels: int
    image_sizes: list[tuple[int, int]]
    """Distinct (width, height) in pixels."""
    expected_size: tuple[int, int] | None = None
    """(width, height) in pixels that the card gives for every image; None if they vary or are not known."""
    card_sha256: str
    files_sha256: str
    """Hash over the sorted (id, image bytes, label bytes) of all samples."""
    pixels_sha256: str | None = None
    """Hash over the pixels of all images, each with its label as the card reads it; None in older files."""
    labels_sha256: str | None = None
    """Hash over all labels as the card reads them: inliers, anomalies and void, or class ids."""

    @property
    def complete(self) -> bool:
        """Whether exactly as many images were evaluated as the card expects."""
        return self.expected_images is None or self.n_images == self.expected_images

    @property
    def expected_sizes_only(self) -> bool:
        """Whether all images had the size that the card gives, if it gives one."""
        return self.expected_size is None or self.image_sizes == [self.expected_size]


UNKNOWN_CLASS_MAPS = "not known: score maps of the labels' sizes were read from files"
"""What is said of class maps where finished score maps came from elsewhere."""


def _definitions() -> dict[str, str]:
    return {metric.key: metric.definition for metric in registry.RANKING}


def _without_views(text: object) -> object:
    """Return what earlier versions said of closed sets as it is said now: views stand in each row's protocol."""
    return text.removesuffix("; no test-time augmentation") if isinstance(text, str) else text


class Conventions(MetricRecord):
    """The choices that every number depends on, in words."""

    positives: str = "anomaly pixels; a higher score means more anomalous; void pixels are dropped"
    pooling: str = "all pixels of the set are pooled; images without an anomaly pixel stay in the pool"
    metrics: dict[str, str] = Field(default_factory=_definitions)
    """Definitions of the ranking metrics; what is not given is that of the registry."""
    class_maps: str = "resized bilinearly to the label, then reduced over classes"
    closed_set: Annotated[str, BeforeValidator(_without_views)] = (
        "confusion counts of all pixels of the set are pooled, void pixels are dropped"
    )
    closed_set_maps: str = (
        "as in mmsegmentation, logits are resized bilinearly to the network's input, then to the label, and the class "
        "with the largest is predicted"
    )
    closed_set_means: str = (
        "as in mmsegmentation, mIoU is the mean over classes that occur in a label or a prediction, mAcc over those "
        "that occur in a label; aAcc is the share of all pixels"
    )

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the ranking metrics."""
        return registry.keys(registry.RANKING)

    @field_validator("metrics", mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        return _definitions() | dict(given) if isinstance(given, Mapping) else given


class Timing(Record):
    """Wall time in seconds, split by what it was spent on, and the peak resident memory of the process.

    Reading, the network, and metrics work beside each other, so that the parts may add up to more than the total.
    """

    load: float
    input: float
    forward: float
    scores: float
    metrics: float
    output: float
    fit: float
    total: float
    peak_memory_mb: float


class Provenance(Record):
    """How to get the same numbers again."""

    command: str
    started: str
    versions: dict[str, str]
    platform: str
    model: Origin
    fits: dict[str, FitRecord]
    """By the name of the score that was fitted."""
    bootstrap: str | None = None
    """Resamples, seed and method of the intervals; None where there are none."""
    negated: list[str] = Field(default_factory=list)
    """Methods whose scores were taken times -1."""
    threads: int | None = None
    """Of the network on a CPU; with another number the last bits of its output may differ."""


FORMAT_VERSION = 2


class Results(Record):
    """All that one run of `eval` found."""

    format_version: int = FORMAT_VERSION
    rows: list[Row]
    intervals: list[IntervalRow] = Field(default_factory=list)
    differences: list[DifferenceRow] = Field(default_factory=list)
    per_image: list[PerImageRow] = Field(default_factory=list)
    components: list[ComponentRow] = Field(default_factory=list)
    operating_points: list[OperatingRow] = Field(default_factory=list)
    given_thresholds: list[OperatingRow] = Field(default_factory=list)
    """What the thresholds of `--thresholds` do where they were learnt, as their file says."""
    closed_set: list[ClosedSetRow] = Field(default_factory=list)
    closed_set_classes: list[ClosedSetClassRow] = Field(default_factory=list)
    datasets: list[DatasetRecord]
    conventions: Conventions
    provenance: Provenance
    timing: Timing
    warnings: list[str]
    counts_sha256: str | None = None
    """Hash of `counts.npz`; None where there is none."""
