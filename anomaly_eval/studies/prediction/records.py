"""What stands in `predictions.json`: what was made of each image, and where it comes from."""

from __future__ import annotations

from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.record import Record
from anomaly_eval.runtime.output_folder import FolderKind

RECORD, PAGE, LEGEND = "predictions.json", "index.html", "legend"
SCORES, OVERLAYS, CLASSES = "scores", "overlays", "classes"
PREDICTIONS = FolderKind(
    RECORD,
    keys=frozenset({"format_version", "network", "score", "images"}),
    entries=frozenset({RECORD, PAGE, f"{LEGEND}.csv", f"{LEGEND}.png", SCORES, OVERLAYS, CLASSES}),
)


class ThresholdRecord(Record):
    """From which score on pixels are unknown."""

    value: float
    source: str


class ScaleRecord(Record):
    """The lowest and the highest score that the colours of overlays tell apart, and where they come from."""

    low: float
    high: float
    source: str


class ImageRecord(Record):
    """One image; files are relative to the folder, with / between names."""

    name: str
    source: str
    frame: int | None
    """Of a video, from 0."""
    width: int
    height: int
    median_score: float
    highest_score: float
    unknown: float | None
    """Which part of the pixels is unknown, in percent; None without a threshold."""
    scores: str | None
    overlay: str | None
    classes: str


class Predictions(Record):
    """The content of `predictions.json`. Scores are higher for more anomalous pixels."""

    format_version: int = 1
    command: str
    started: str
    versions: dict[str, str]
    platform: str
    network: ModelRecord
    score: str
    fits: dict[str, FitRecord]
    threshold: ThresholdRecord | None
    """Pixels are unknown where their score is at or above it."""
    colour_scale: ScaleRecord
    classes: list[str]
    """By the values in pictures of classes; `unknown`, if there is a threshold, is the last one."""
    images: list[ImageRecord]
    videos: list[str]
    """Overlays of whole videos."""
    seconds: float
    """From the first image to the last, without loading the network."""
    warnings: list[str]
