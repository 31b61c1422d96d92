"""The scores of a network under test-time augmentation, and of several networks, each with its views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.means import MapMean, shared_methods
from anomaly_eval.scores.base import Score, score_maps, sources
from anomaly_eval.segmenters.base import Prediction, Segmenter, predict
from anomaly_eval.segmenters.mean_probabilities import (
    ProbabilityMean,
    as_views,
    check_same_classes,
    gives_probabilities,
)
from anomaly_eval.segmenters.views import View, record_of

_CLASSES = ("logits", "probabilities")


@dataclass(frozen=True)
class NetworkViews:
    """A network as it looks at images, and its scores."""

    views: Sequence[Segmenter]
    """As `Views.of` has them; of a network without other views, the network itself."""
    scores: Sequence[Score]
    """Whose statistics, where they need any, are those of the network that looks at images as they are."""


class AveragedScores:
    """Scores averaged over all views of all networks, each view being looked at once an image.

    What softmax probabilities are enough for (MSP, entropy and others) is computed of the mean probabilities; of all
    other scores, the mean of the views' score maps is taken. Fitted scores keep the statistics of each plain network,
    which say what pixels look like in an image as it is: they are not fitted to views.
    """

    def __init__(self, networks: Sequence[NetworkViews]) -> None:
        """Take networks with their scores, of which those that all of them have are averaged.

        Raises InputError where classes differ, and where no score is shared.
        """
        names = shared_methods([[score.name for score in network.scores] for network in networks])
        of_network = [{score.name: score for score in network.scores} for network in networks]
        self._members = [
            _Member(view, [scores[name] for name in names])
            for network, scores in zip(networks, of_network, strict=True)
            for view in as_views(network.views)
        ]
        check_same_classes([member.view for member in self._members])
        self.methods = names
        self._of_probabilities = [
            score
            for score in self._members[0].scores
            if all(one.probabilities_are_enough(score) for one in self._members)
        ]
        served = {score.name for score in self._of_probabilities}
        self._members = [member.without(served) for member in self._members]

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[Any]]:
        """Return the score maps themselves, (height, width) float32."""
        probabilities = ProbabilityMean()
        means = MapMean([score.name for score in self._members[0].scores])
        with torch.inference_mode():
            for member in self._members:
                with clock.section("forward"):
                    prediction = predict(member.view, image, sample.image)
                with clock.section("scores"):
                    if self._of_probabilities:
                        probabilities.add(prediction.class_maps, mirrored=member.view.mirrored)
                    means.add(_arrays(prediction, member.scores), mirrored=member.view.mirrored)
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
        """Say which networks and which views of them these are, and how each score is averaged."""
        record = record_of([member.view for member in self._members])
        served = [score.name for score in self._of_probabilities]
        others = [name for name in self.methods if name not in served]
        how = [
            f"{', '.join(names)} {text}"
            for names, text in ((served, "of the mean probabilities"), (others, "as the mean of the scores"))
            if names
        ]
        return record.model_copy(update={"notes": [*record.notes, f"averaged: {'; '.join(how)}"]})


@dataclass(frozen=True)
class _Member:
    """A view, and the scores that are averaged over views rather than computed of mean probabilities."""

    view: View
    scores: Sequence[Score]

    def probabilities_are_enough(self, score: Score) -> bool:
        """Whether a score reads nothing of this view but what probabilities say as well as logits."""
        return (
            gives_probabilities(self.view)
            and score.source_among(self.view.provides) in _CLASSES
            and score.source_among({"probabilities"}) is not None
        )

    def without(self, names: set[str]) -> _Member:
        """Leave out scores, and what only they look at beside the classes."""
        scores = [score for score in self.scores if score.name not in names]
        return _Member(self.view.with_outputs(sources(scores, self.view.provides)), scores)


def _arrays(prediction: Prediction, scores: Sequence[Score]) -> dict[str, NDArray[np.floating]]:
    return {name: values.cpu().numpy() for name, values in score_maps(prediction, scores).items()}
