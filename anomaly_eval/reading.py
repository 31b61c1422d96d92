"""Reading images and labels one ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.clock import Clock
from anomaly_eval.samples import Sample, SampleSet, check_same_size

Loaded = tuple[Sample, NDArray[np.uint8], NDArray[np.uint8]]


def read_ahead(samples: SampleSet, clock: Clock, section: str = "input") -> Iterator[Loaded]:
    """Yield (sample, image, label) in order while the next one is being read; the clock counts what was waited for.

    Raises InputError, at its turn, for the first sample that cannot be read or whose sizes differ.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        following = pool.submit(_read, samples.samples[0])
        for upcoming in (*samples.samples[1:], None):
            with clock.section(section):
                loaded = following.result()
            if upcoming is not None:
                following = pool.submit(_read, upcoming)
            yield loaded


def _read(sample: Sample) -> Loaded:
    image, label = sample.read_image(), sample.read_label()
    check_same_size(sample, image, label)
    return sample, image, label
