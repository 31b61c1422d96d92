"""What an evaluation ranks: score maps by method, whoever makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.results.records import Origin
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.scores import Score, score_maps
from anomaly_eval.segmenters.base import Segmenter, predict


class ScoreSource(Protocol):
    """Anything that has a score for each pixel of an image, by one method or several."""

    @property
    def methods(self) -> Sequence[str]:
        """The names of the methods, in the order of the tables."""

    def maps(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> Mapping[str, NDArray[np.floating]]:
        """Return the score map of each method, (height, width) float32 or float64; higher is more anomalous.

        image: uint8 (height, width, 3) RGB. Raises InputError, which names the file, where there is no usable map.
        """

    def describe(self) -> Origin:
        """Say where the maps come from, once all of them have been asked for."""


class NetworkScores:
    """The scores of a network, computed when they are asked for."""

    def __init__(self, segmenter: Segmenter, scores: Sequence[Score]) -> None:
        """Take the network and its scores, whose statistics are fitted where they need any."""
        self.segmenter, self.scores = segmenter.with_outputs([score.source for score in scores]), scores

    @property
    def methods(self) -> list[str]:
        """The names of the scores."""
        return [score.name for score in self.scores]

    def maps(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network and return its score maps (height, width) on the CPU."""
        with torch.inference_mode():
            with clock.section("forward"):
                prediction = predict(self.segmenter, image, sample.image)
            with clock.section("scores"):
                maps = score_maps(prediction, self.scores)
                return {name: values.cpu().numpy() for name, values in maps.items()}

    def describe(self) -> Origin:
        """Say which network it is."""
        return self.segmenter.describe()
