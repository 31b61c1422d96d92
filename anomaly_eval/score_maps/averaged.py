"""The scores of a network under test-time augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.means import MapMean
from anomaly_eval.scores.base import Score, score_maps, sources
from anomaly_eval.segmenters.base import Prediction, Segmenter, predict
from anomaly_eval.segmenters.mean_probabilities import ProbabilityMean, as_views, gives_probabilities
from anomaly_eval.segmenters.views import View, record_of

_CLASSES = ("logits", "probabilities")


class AveragedScores:
    """Scores averaged over the views of a network, each view being looked at once an image.

    What softmax probabilities are enough for (MSP, entropy and others) is computed of the mean probabilities; of all
    other scores, the mean of the views' score maps is taken. Fitted scores keep the statistics of the plain network,
    which say what pixels look like in an image as it is: they are not fitted to views.
    """

    def __init__(self, views: Sequence[Segmenter], scores: Sequence[Score]) -> None:
        """Take how a network looks at images, as `Views.of` has it, and its scores, fitted where they need it."""
        views = as_views(views)
        self.methods = [score.name for score in scores]
        enough = [all(_probabilities_are_enough(score, view) for view in views) for score in scores]
        self._of_probabilities = [score for score, is_enough in zip(scores, enough, strict=True) if is_enough]
        self._averaged = [score for score, is_enough in zip(scores, enough, strict=True) if not is_enough]
        # Beside the classes, nothing is computed that nobody looks at.
        self._views = [view.with_outputs(sources(self._averaged, view.provides)) for view in views]

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[Any]]:
        """Return the score maps themselves, (height, width) float32."""
        probabilities = ProbabilityMean()
        means = MapMean([score.name for score in self._averaged])
        with torch.inference_mode():
            for view in self._views:
                with clock.section("forward"):
                    prediction = predict(view, image, sample.image)
                with clock.section("scores"):
                    if self._of_probabilities:
                        probabilities.add(prediction.class_maps, mirrored=view.mirrored)
                    means.add(_arrays(prediction, self._averaged), mirrored=view.mirrored)
                del prediction  # freed before the next view needs memory
            with clock.section("scores"):
                found = means.result()
                if self._of_probabilities:
                    found |= _arrays(Prediction(probabilities=probabilities.result()), self._of_probabilities)
        return {name: found[name] for name in self.methods}

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> dict[str, NDArray[np.floating]]:
        """Return the score maps as they are."""
        return {name: outputs[name] for name in self.methods}

    def describe(self) -> ModelRecord:
        """Say which network and which views of it these are, and how each score is averaged."""
        record = record_of(self._views)
        served = [score.name for score in self._of_probabilities]
        others = [name for name in self.methods if name not in served]
        how = [
            f"{', '.join(names)} {text}"
            for names, text in ((served, "of the mean probabilities"), (others, "as the mean of the scores"))
            if names
        ]
        return record.model_copy(update={"averaging": "; ".join(how)})


def _probabilities_are_enough(score: Score, view: View) -> bool:
    """Whether a score reads nothing of a view but what probabilities say as well as logits."""
    return (
        gives_probabilities(view)
        and score.source_among(view.provides) in _CLASSES
        and score.source_among({"probabilities"}) is not None
    )


def _arrays(prediction: Prediction, scores: Sequence[Score]) -> dict[str, NDArray[np.floating]]:
    return {name: values.cpu().numpy() for name, values in score_maps(prediction, scores).items()}
