"""What stands in `predictions.json`: what was made of each image, and where it comes from."""

from __future__ import annotations

from pydantic import Field

from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.record import StrictRecord
from anomaly_eval.runtime.output_folder import FolderKind

RECORD, PAGE, LEGEND = "predictions.json", "index.html", "legend"
SCORES, OVERLAYS, CLASSES = "scores", "overlays", "classes"
SMIYC, FISHYSCAPES = "anomaly_p", "output"
OODIS = frozenset({"fishyscapes", "roadanomaly", "roadobstacle"})
PREDICTIONS = FolderKind(
    RECORD,
    entries=frozenset({RECORD, PAGE, f"{LEGEND}.csv", f"{LEGEND}.png", SCORES, OVERLAYS, CLASSES})
    | frozenset({SMIYC, FISHYSCAPES})
    | OODIS,
)


class ThresholdRecord(StrictRecord):
    """From which score on pixels are unknown."""

    value: float
    source: str


class ScaleRecord(StrictRecord):
    """The lowest and the highest score that the colours of overlays tell apart, and where they come from."""

    low: float
    high: float
    source: str


class ImageRecord(StrictRecord):
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


class UnreadRecord(StrictRecord):
    """An image that could not be read, and was left out."""

    source: str
    reason: str


class ServerImageRecord(StrictRecord):
    """One image for the server of a benchmark; files are relative to the folder, with / between names."""

    name: str
    """What the server calls it, after the name of its split where the server has several."""
    source: str
    width: int
    height: int
    median_score: float
    highest_score: float
    files: list[str]


class RunRecord(StrictRecord):
    """What `predictions.json` says of every run. Scores are higher for more anomalous pixels."""

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
    seconds: float
    """From the first image to the last, without loading the network."""
    warnings: list[str]


class Predictions(RunRecord):
    """The content of `predictions.json` beside pictures."""

    colour_scale: ScaleRecord
    classes: list[str]
    """By the values in pictures of classes; `unknown`, if there is a threshold, is the last one."""
    images: list[ImageRecord]
    unread: list[UnreadRecord] = Field(default_factory=list)
    """In predictions of before images were left out it is missing."""
    videos: list[str]
    """Overlays of whole videos."""


class ServerPredictions(RunRecord):
    """The content of `predictions.json` beside files for the server of a benchmark."""

    format: str
    method: str | None
    """The name of the method's folder, where the server wants one."""
    precision: str | None
    """Of scores in files."""
    lost_order: float | None
    """Which part of all pairs of pixels of an image half precision no longer tells apart, in percent."""
    images: list[ServerImageRecord]
