"""Reading images and labels one ahead of the network."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet, check_same_size
from anomaly_eval.runtime.clock import Clock

Loaded = tuple[Sample, NDArray[np.uint8], NDArray[np.uint8]]
_Item = TypeVar("_Item")
_Read = TypeVar("_Read")
_END = object()


def read_ahead(samples: SampleSet, clock: Clock, section: str = "input") -> Iterator[Loaded]:
    """Yield (sample, image, label) in order while the next one is being read; the clock counts what was waited for.

    Raises InputError, at its turn, for the first sample that cannot be read or whose sizes differ.
    """
    return prefetch(samples.samples, read_pair, clock, section)


def prefetch(
    items: Iterable[_Item], read: Callable[[_Item], _Read], clock: Clock, section: str = "input"
) -> Iterator[_Read]:
    """Yield what `read` makes of each item, in order, while it is called for the next one in another thread.

    An item is taken only when the one before it was read. What `read` raises is raised at the turn of its item.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(max_workers=1) as pool:
        item = next(waiting, _END)
        following = None if item is _END else pool.submit(read, item)  # type: ignore[arg-type]
        while following is not None:
            with clock.section(section):
                found = following.result()
            item = next(waiting, _END)
            following = None if item is _END else pool.submit(read, item)  # type: ignore[arg-type]
            yield found


def read_pair(sample: Sample) -> Loaded:
    """Return (sample, image, label); raises InputError for one that cannot be read, and for two sizes."""
    image, label = sample.read_image(), sample.read_label()
    check_same_size(sample, image, label)
    return sample, image, label


def ahead(items: Iterator[_Item]) -> Generator[_Item, None, None]:
    """Yield items in order, while another thread takes the next one; what taking one raises is raised at its turn."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        following = pool.submit(next, items, _END)
        while (found := following.result()) is not _END:
            following = pool.submit(next, items, _END)
            yield found  # type: ignore[misc]
