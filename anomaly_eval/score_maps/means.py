"""The mean of score maps, of several sources or of several views of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.arrays import rounded_to_float32
from anomaly_eval.results.means import mean_record
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import ScoreSource


class MeanScores:
    """The mean of the scores of several sources at each pixel, for each method that all of them have.

    What is kept of an image is what each of them keeps.
    """

    def __init__(self, sources: Sequence[ScoreSource]) -> None:
        """Take networks' scores, each of equal weight; raises InputError where there is no method that all have."""
        self._sources = sources
        self.methods = _shared_methods([source.methods for source in sources])
        self._records = [_record(source) for source in sources]

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[Any]]:
        """Return what the score maps of each member follow from, its number before each name: `0/msp`."""
        kept: dict[str, NDArray[Any]] = {}
        for number, source in enumerate(self._sources):
            outputs = source.outputs(samples, sample, image, clock)
            kept |= {f"{number}/{name}": values for name, values in outputs.items()}
        return kept

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> dict[str, NDArray[np.floating]]:
        """Return the mean map (height, width) float32 of each method."""
        mean = MapMean(self.methods)
        for number, source in enumerate(self._sources):
            start = f"{number}/"
            own = {name.removeprefix(start): outputs[name] for name in outputs if name.startswith(start)}
            found = source.maps(own, clock)
            with clock.section("scores"):
                mean.add(found, mirrored=False)
        return mean.result()

    def describe(self) -> ModelRecord:
        """Say which networks these are."""
        return mean_record(self._records, of="scores")


class MapMean:
    """Averages score maps (height, width) of one image by method, added up as float64."""

    def __init__(self, methods: Sequence[str]) -> None:
        self._methods = methods
        self._totals: dict[str, NDArray[np.float64]] = {}
        self._count = 0

    def add(self, maps: Mapping[str, NDArray[np.floating]], *, mirrored: bool) -> None:
        """Add the map of each method; `mirrored` ones are mirrored back."""
        for name in self._methods:
            values = maps[name][:, ::-1] if mirrored else maps[name]
            if self._count:
                self._totals[name] += values
            else:
                self._totals[name] = values.astype(np.float64)
        self._count += 1

    def result(self) -> dict[str, NDArray[np.floating]]:
        """Return the mean of each method, float32; of one map, that map to the bit."""
        return {name: rounded_to_float32(total / self._count) for name, total in self._totals.items()}


def _shared_methods(methods: Sequence[Sequence[str]]) -> list[str]:
    """Return the methods that all sources have, in the order of the first; raises InputError where there is none."""
    found = [name for name in methods[0] if all(name in others for others in methods)]
    if not found:
        each = "; ".join(" ".join(names) or "none" for names in methods)
        raise InputError(
            f"there is no score that all networks have, so none can be averaged ({each}); choose --scores."
        )
    return found


def _record(source: ScoreSource) -> ModelRecord:
    record = source.describe()
    if not isinstance(record, ModelRecord):
        raise InputError("score maps from files cannot be averaged; give networks, or average the files.")
    return record
