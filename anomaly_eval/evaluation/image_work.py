"""What is done with each image of a dataset, whoever does it, now or in a run that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import ScoreSource

Compute = Callable[[Sample, NDArray[np.uint8], NDArray[np.uint8]], Arrays]
"""Called with sample, image (height, width, 3) and label (height, width); returns what is kept of the image."""
Finish = Callable[[Arrays], Arrays]
"""Called with what is kept of an image; returns what it adds, in a short time and with the same bits each time."""
Take = Callable[[Sample, NDArray[np.uint8], NDArray[np.uint8], Arrays], None]
"""Called as `Compute` and with what the image adds, image by image, in their order, from another thread."""


@dataclass(frozen=True)
class Work:
    """Compute what is kept of an image, or read it from its record; finish that; and take what comes of it.

    records: None where nothing is kept of finished images.
    """

    compute: Compute
    take: Take
    finish: Finish = lambda kept: kept
    records: Records | None = None

    def of(self, network: str) -> Work:
        """Return the same work, whose errors begin with the name of one of several networks."""
        return replace(
            self,
            compute=said_of(network)(self.compute),
            take=said_of(network)(self.take),
            finish=said_of(network)(self.finish),
        )


@contextmanager
def said_of(network: str) -> Iterator[None]:
    """Let errors begin with the name of one of several networks, which else nothing tells from the others."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{network}: {error}") from error


def score_computation(source: ScoreSource, samples: SampleSet, clock: Clock) -> Compute:
    """Return what computes all that the score maps of an image of a dataset follow from."""
    return lambda sample, image, label: source.outputs(samples, sample, image, clock)
