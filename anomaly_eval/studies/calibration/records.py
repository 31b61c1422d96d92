"""What a calibration found and where it came from: the content of `calibration.json`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.calibration import CalibrationMetrics
from anomaly_eval.metrics.closed_set import ClosedSetMetrics
from anomaly_eval.metrics.registry import MIOU, PIXEL_ACCURACY
from anomaly_eval.metrics.reliability import ReliabilityBins
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.record import MetricRecord, Record
from anomaly_eval.results.records import DatasetRecord, Timing

OF_CLASSES = (MIOU, PIXEL_ACCURACY)


class CalibrationRow(MetricRecord):
    """One line of `calibration.csv`, at full precision. Errors and rates are percentages."""

    network: str
    dataset: str
    temperature: float
    """What the logits were divided by; 1 is the network as it is."""
    temperature_from: str
    """The split that the temperature was fitted on; empty where it was not."""
    metrics: dict[str, float]
    """The Brier score is summed over classes, in [0, 2]; NLL is in nats a pixel."""
    n_bins: int
    n_images: int
    n_pixels: int

    @classmethod
    def metric_keys(cls) -> list[str]:
        """Return the calibration metrics, and what classes were predicted right."""
        return registry.keys((*registry.CALIBRATION, *OF_CLASSES))


class CalibrationClassRow(Record):
    """One line of `calibration_classes.csv`: the calibration error of the probability of one class, in percent."""

    network: str
    dataset: str
    temperature: float
    class_id: int
    name: str
    ece: float


class BinRow(Record):
    """One line of `reliability.csv`: what a bar of a reliability diagram shows; rates in [0, 1]."""

    network: str
    dataset: str
    temperature: float
    bins: str
    """`equal_width`, `equal_mass`, or the name of a class."""
    low: float
    high: float
    n_pixels: int
    confidence: float
    accuracy: float


class CalibrationConventions(Record):
    """The choices that every number depends on, in words."""

    pooling: str = "all pixels of the set that are not void are pooled; each counts once"
    probabilities: str = "logits are divided by the temperature, resized bilinearly to the label, then a softmax"
    ece: str = "bins of equal width over the probability of the predicted class; distances weighted by the pixels"
    adaptive_ece: str = "the same in as many bins of equal mass"
    classwise_ece: str = "mean over classes of the error of a class's probability at all pixels, bins of equal width"


class CalibrationFindings(Record):
    """All that one run of `calibrate` found."""

    format_version: int = 1
    rows: list[CalibrationRow]
    classes: list[CalibrationClassRow]
    bins: list[BinRow]
    conventions: CalibrationConventions
    command: str
    versions: dict[str, str]
    networks: dict[str, ModelRecord]
    dataset: DatasetRecord
    temperature_seed: int | None = None
    """Of the pixels that temperatures were fitted on; None where none was fitted."""
    timing: Timing
    warnings: list[str]


def calibration_row(
    name: str,
    record: DatasetRecord,
    temperature: float,
    temperature_from: str,
    metrics: CalibrationMetrics,
    closed_set: ClosedSetMetrics,
) -> CalibrationRow:
    """Put the metrics of one network at one temperature into percent."""
    return CalibrationRow(
        network=name,
        dataset=record.name,
        temperature=temperature,
        temperature_from=temperature_from,
        metrics={**registry.written(registry.CALIBRATION, metrics), **registry.written(OF_CLASSES, closed_set)},
        n_bins=len(metrics.reliability.counts),
        n_images=record.n_images,
        n_pixels=metrics.n_pixels,
    )


def bin_rows(name: str, dataset: str, temperature: float, kind: str, bins: ReliabilityBins) -> list[BinRow]:
    """Return a row for each bin of a diagram."""

    def at(values: NDArray[np.generic], index: int) -> float:
        return float(values[index])

    return [
        BinRow(
            network=name,
            dataset=dataset,
            temperature=temperature,
            bins=kind,
            low=at(bins.edges, index),
            high=at(bins.edges, index + 1),
            n_pixels=int(count),
            confidence=at(bins.confidence, index),
            accuracy=at(bins.accuracy, index),
        )
        for index, count in enumerate(bins.counts)
    ]
