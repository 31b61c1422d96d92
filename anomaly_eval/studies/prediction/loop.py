"""What all runs of `gmmseg-anomaly predict` share, whatever they write."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import Any

from rich.console import Console

from anomaly_eval.datasets.label_files import looks_like_labels
from anomaly_eval.errors import InputError
from anomaly_eval.results.provenance import versions
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.progress import Advance
from anomaly_eval.studies.prediction.frames import Frame, Input
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.records import ThresholdRecord


@dataclass(frozen=True)
class Predicted:
    """What a run did, for the terminal."""

    network: str
    score: str
    threshold: str
    """Empty where it changes nothing."""
    images: int
    seconds: float
    unread: int = 0
    """Images that were left out."""


def frames_of(inputs: Sequence[Input], warnings: list[str], unread: dict[Path, str] | None = None) -> Iterator[Frame]:
    """Yield all images; a video that ends before its time is warned about, and pictures of labels.

    An image that cannot be read raises InputError, or, where there is `unread`, is left out and put there with the
    reason.
    """
    labels: list[Path] = []
    for one in inputs:
        seen = 0
        try:
            for frame in one.frames():
                seen += 1
                if frame.number is None and looks_like_labels(frame.image):
                    labels.append(frame.source)
                yield frame
        except InputError as error:
            if unread is None:
                raise
            unread[one.path] = str(error)
            continue
        if one.count is not None and seen < one.count:
            warnings.append(f"only {seen} of the {one.count} frames of {one.path} could be decoded")
    if labels:
        some = f"{len(labels)} images, such as {labels[0]}, have" if len(labels) > 1 else f"{labels[0]} has"
        warnings.append(f"{some} as few colours as a picture of labels has, and may be no photo")


def total(inputs: Sequence[Input]) -> int | None:
    """Return how many images there are, None where a video does not say."""
    counts = [one.count for one in inputs]
    return None if None in counts else sum(count for count in counts if count is not None)


def write_all(predicted: Iterator[PredictedFrame], add: Callable[[PredictedFrame], None], advance: Advance) -> int:
    """Write each image while the next one is predicted; return how many there were."""
    count = 0

    def write(found: PredictedFrame) -> None:
        add(found)
        advance()

    with Beside(write) as writing:
        for found in predicted:
            writing(found)
            count += 1
    return count


def told(predictor: Predictor) -> Predicted:
    """Say which network, score and threshold there are."""
    joint = " (joint density)" if predictor.score.name == "max_logit" and _is_generative(predictor) else ""
    threshold = predictor.threshold
    rule = "no threshold, so nothing is unknown; give --threshold or --thresholds"
    if threshold is not None:
        rule = f"unknown from {threshold.value:.6g} on ({threshold.source})"
    score = f"{method_name(predictor.score.name)}{joint}"
    return Predicted(PurePath(predictor.model.checkpoint).stem, score, rule, 0, 0.0)


def now() -> str:
    """Return the time as records have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def warn_of_all(console: Console, warnings: Sequence[str]) -> None:
    """Say on the console what users should know."""
    for warning in warnings:
        warn(console, warning)


def origin(command: Sequence[str], started: str, predictor: Predictor) -> dict[str, Any]:
    """Return the fields of `predictions.json` that say where it comes from, ready for JSON."""
    known = predictor.threshold
    threshold = None if known is None else ThresholdRecord(value=known.value, source=known.source)
    return {
        "format_version": 1,
        "command": shlex.join(command),
        "started": started,
        "versions": versions(),
        "platform": platform.platform(),
        "network": predictor.model.model_dump(),
        "score": predictor.score.name,
        "fits": {name: fit.model_dump() for name, fit in predictor.fits.items()},
        "threshold": None if threshold is None else threshold.model_dump(),
    }


def _is_generative(predictor: Predictor) -> bool:
    return "log_density" in predictor.provides
