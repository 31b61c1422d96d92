"""What an evaluation ranks: score maps by method, whoever makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.results.origins import Origin
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.coarse import are_coarse, as_arrays, from_arrays
from anomaly_eval.scores.base import Score, class_maps, reduce_class_maps, sources
from anomaly_eval.segmenters.base import Segmenter, predict
from anomaly_eval.segmenters.coarse_maps import CoarseMaps


class ScoreSource(Protocol):
    """Anything that has a score for each pixel of an image, by one method or several."""

    @property
    def methods(self) -> Sequence[str]:
        """The names of the methods, in the order of the tables."""

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> Mapping[str, NDArray[Any]]:
        """Return what the score maps of an image follow from, as arrays that can be kept.

        image: uint8 (height, width, 3) RGB. Raises InputError, which names the file, where there is no usable map.
        """

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> Mapping[str, NDArray[np.floating]]:
        """Return the score map of each method, (height, width) float32 or float64; higher is more anomalous.

        The same outputs give the same bits, whether or not they were kept in between.
        """

    def describe(self) -> Origin:
        """Say where the maps come from, once all of them have been asked for."""


class NetworkScores:
    """The scores of a network, computed when they are asked for."""

    def __init__(self, segmenter: Segmenter, scores: Sequence[Score]) -> None:
        """Take the network and its scores, whose statistics are fitted where they need any."""
        self.segmenter, self.scores = segmenter.with_outputs(sources(scores, segmenter.provides)), scores

    @property
    def methods(self) -> list[str]:
        """The names of the scores."""
        return [score.name for score in self.scores]

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[Any]]:
        """Run the network and return its class maps, or the score maps where they take less room.

        Class maps lie on the network's own grid, mostly a 16th or 64th of the image, and scores share them; only what
        is averaged over windows is as large as the image.
        """
        with torch.inference_mode():
            with clock.section("forward"):
                prediction = predict(self.segmenter, image, sample.image)
            with clock.section("scores"):
                maps = class_maps(prediction, self.scores)
                kept = as_arrays(maps)
                room = 4 * len(self.scores) * math.prod(prediction.size)
                return kept if sum(values.nbytes for values in kept.values()) < room else self._reduced(maps)

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> dict[str, NDArray[np.floating]]:
        """Return the score maps (height, width) float32 on the CPU."""
        if not are_coarse(outputs):
            return {name: outputs[name] for name in self.methods}
        with torch.inference_mode(), clock.section("scores"):
            return self._reduced(from_arrays(outputs, self.segmenter.device))

    def _reduced(self, maps: Mapping[str, CoarseMaps]) -> dict[str, NDArray[Any]]:
        return {name: values.cpu().numpy() for name, values in reduce_class_maps(maps, self.scores).items()}

    def describe(self) -> Origin:
        """Say which network it is."""
        return self.segmenter.describe()
