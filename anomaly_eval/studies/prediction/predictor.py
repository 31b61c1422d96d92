"""A network, one of its scores, and from which value of it pixels are unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import predicted_classes
from anomaly_eval.evaluation.fit import fits_of_network
from anomaly_eval.evaluation.operating_points import given_thresholds
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.records import OperatingRow
from anomaly_eval.results.thresholds import Behind, read_thresholds
from anomaly_eval.scores import SCORES, FittedScore, Score, choose_scores, unfitted
from anomaly_eval.scores.base import score_maps, sources
from anomaly_eval.scores.statistics_file import load_statistics
from anomaly_eval.segmenters.base import Segmenter, predict
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network_cards import UsualThreshold
from anomaly_eval.segmenters.zoo import network_instead_of
from anomaly_eval.studies.prediction.frames import Frame
from anomaly_eval.studies.prediction.request import PredictionRequest

_DEFAULT_SCORE = "max_logit"
_MOST_CLASSES = 255


@dataclass(frozen=True)
class Threshold:
    """From which score on pixels are unknown, and who says so, in words."""

    value: float
    source: str


@dataclass(frozen=True)
class PredictedFrame:
    """What a network says of an image, all of its size.

    scores: float32 (height, width), higher for more anomalous. classes: uint8 (height, width), the known classes.
    unknown: bool (height, width); None without a threshold.
    """

    frame: Frame
    scores: NDArray[np.float32]
    classes: NDArray[np.uint8]
    unknown: NDArray[np.bool_] | None

    @property
    def with_unknown(self) -> NDArray[np.uint8]:
        """The classes, with 255 where a pixel is unknown."""
        return self.classes if self.unknown is None else np.where(self.unknown, np.uint8(255), self.classes)


@dataclass(frozen=True)
class Predictor:
    """Runs a network, computes its score, and applies the threshold."""

    segmenter: Segmenter
    score: Score
    model: ModelRecord
    fits: dict[str, FitRecord]
    provides: frozenset[str]
    """The fields of `Prediction` that the network could fill."""
    threshold: Threshold | None = None
    median: float | None = None
    """Of the score on ordinary images, where the network's card knows it."""
    warnings: tuple[str, ...] = ()
    """What users should know of all this."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the known classes."""
        return self.segmenter.classes

    def __call__(self, frame: Frame) -> PredictedFrame:
        """Predict one image; raises InputError, which names it, where the network or the score gives no numbers."""
        with torch.inference_mode():
            prediction = predict(self.segmenter, frame.image, frame.source)
            scores = score_maps(prediction, [self.score])[self.score.name].cpu().numpy()
            classes = predicted_classes(prediction.class_maps)
        if np.isnan(scores).any():
            raise InputError(f"the score {self.score.name} of {frame.source} holds NaN; choose another --score.")
        # In float32 the threshold itself would be rounded.
        unknown = None if self.threshold is None else scores.astype(np.float64) >= self.threshold.value
        return PredictedFrame(frame, scores, classes, unknown)


def load_predictor(request: PredictionRequest) -> Predictor:
    """Load the network and its score, and find the threshold.

    Raises InputError for options that contradict each other, a score that the network does not provide or that lacks
    statistics, and a file of thresholds without one for this network and score.
    """
    _check_options(request)
    segmenter = request.network.load()
    if len(segmenter.classes) > _MOST_CLASSES:
        raise InputError(
            f"{request.network.given.path} has {len(segmenter.classes)} classes, more than the {_MOST_CLASSES} that a "
            f"picture can tell apart; leave some out with --known-classes."
        )
    score = _score(request, segmenter)
    model = segmenter.describe()
    fits = _fitted(request, score, model) | fits_of_network(segmenter, [score])
    usual = _usual_threshold(request, score)
    threshold, warnings = _threshold(request, score, Behind(model, fits.get(score.name)), usual)
    return Predictor(
        segmenter.with_outputs(sources([score], segmenter.provides)),
        score,
        model,
        fits,
        segmenter.provides,
        threshold,
        None if usual is None else usual.median,
        tuple(warnings),
    )


def _check_options(request: PredictionRequest) -> None:
    if request.threshold is not None and request.thresholds is not None:
        raise InputError("--threshold and --thresholds exclude each other; give one of them.")
    if request.threshold is not None and math.isnan(request.threshold):
        raise InputError("--threshold must be a number, not NaN.")
    if request.point is not None and request.thresholds is None:
        raise InputError("--point is one of --thresholds; add the file, or leave it out.")
    if request.thresholds is not None:
        # Before the network is loaded, which takes seconds.
        read_thresholds(request.thresholds)


def _score(request: PredictionRequest, segmenter: Segmenter) -> Score:
    if request.score is not None:
        return choose_scores([request.score], segmenter.provides, remedy="choose another --score")[0]
    usual = [score for score in choose_scores(None, segmenter.provides) if not isinstance(score, FittedScore)]
    if not usual:
        known = ", ".join(SCORES)
        raise InputError(f"no score is known for {request.network.given.path}; choose one of {known} with --score.")
    return next((score for score in usual if score.name == _DEFAULT_SCORE), usual[0])


def _fitted(request: PredictionRequest, score: Score, model: ModelRecord) -> dict[str, FitRecord]:
    """Load the statistics of a score that learns."""
    lacking, shipped = unfitted([score]), request.network.statistics
    if not lacking:
        if request.statistics is not None:
            raise InputError(f"the score {score.name} learns nothing, so --stats has no use; leave it out.")
        return {}
    path = request.statistics or shipped
    if path is None:
        raise InputError(
            f"the score {score.name} needs statistics of the training data; give --stats FILE as written by "
            f"`gmmseg-anomaly fit`, or choose another --score."
        )
    fits = load_statistics(path, model, lacking, vouched=request.statistics is None)
    if unfitted([score]):
        raise InputError(f"{path} holds no statistics of {score.name}; fit it, or choose another --score.")
    return fits


def _usual_threshold(request: PredictionRequest, score: Score) -> UsualThreshold | None:
    """Return what the card of a shipped network says of a score, as long as the network is run as its card says."""
    given, running = request.named_checkpoint, request.running
    shipped = None if given is None else network_instead_of(given)
    if shipped is None or running.known_classes or any((request.config, request.model, running.imports)):
        return None
    if running.resize is not None and InputSize.parse(running.resize) != InputSize.parse(shipped.card.input):
        return None
    return next((one for one in shipped.card.thresholds if one.score == score.name), None)


def _threshold(
    request: PredictionRequest, score: Score, behind: Behind, usual: UsualThreshold | None
) -> tuple[Threshold | None, list[str]]:
    """Return the threshold, and what users should know of it. behind: what the scores come from."""
    if request.threshold is not None:
        return Threshold(request.threshold, "--threshold"), []
    if request.thresholds is not None:
        rows, warnings = given_thresholds(request.thresholds, {score.name: behind})
        row = _chosen(request.thresholds, rows, request.point)
        return Threshold(row.threshold, f"{row.point} on {row.learnt_on}, of {request.thresholds}"), warnings
    if usual is None:
        return None, []
    source = f"the network's card: {usual.false_positives:g} % of the pixels of {usual.dataset}"
    return Threshold(usual.threshold, source), []


def _chosen(path: Path, rows: list[OperatingRow], wanted: str | None) -> OperatingRow:
    """Return the one row that --point means."""
    known = [f"{row.point}@{row.learnt_on}" for row in rows]
    found = [row for row, name in zip(rows, known, strict=True) if wanted in (None, row.point, name)]
    if len(found) == 1:
        return found[0]
    asked = "there is no --point" if wanted is None else f"--point {wanted} is {'several' if found else 'none'} of them"
    raise InputError(f"{path} holds {', '.join(known)}, and {asked}; name one.")
