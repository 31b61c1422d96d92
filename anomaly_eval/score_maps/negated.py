"""Scores of some methods times -1, for those that score anomalies lower than the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.results.origins import Origin
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import ScoreSource


class Negated:
    """A source of score maps, those of the named methods times -1; what is kept of an image stays as it is."""

    def __init__(self, source: ScoreSource, names: Sequence[str]) -> None:
        """Take the source, and the methods to negate, all of them among its own."""
        self._source, self._names = source, names

    @property
    def methods(self) -> Sequence[str]:
        """The names of the methods, which stay."""
        return self._source.methods

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> Mapping[str, NDArray[Any]]:
        """Return what the score maps of an image follow from."""
        return self._source.outputs(samples, sample, image, clock)

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> Mapping[str, NDArray[np.floating]]:
        """Return the score maps, some of them times -1."""
        found = self._source.maps(outputs, clock)
        return {name: -values if name in self._names else values for name, values in found.items()}

    def describe(self) -> Origin:
        """Say where the maps come from."""
        return self._source.describe()
