"""Times of several calls that take turns, so that a drift of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Call = Callable[[], object]
Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """The median, and between which values 90 % of all lie."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Seconds) -> Spread:
        """Return the median, and the 5th and 95th percentiles; between two values, in proportion."""
        low, median, high = np.percentile(values, [5, 50, 95])
        return cls(float(median), float(low), float(high))


def take_turns(
    calls: Sequence[Call],
    runs: int,
    warm_up: int = 0,
    *,
    wait: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
    after_round: Callable[[], None] = lambda: None,
) -> Seconds:
    """Return the seconds (runs, calls) of calls that run one after the other, again and again: A B A B.

    warm_up: rounds before those, which are not timed. wait: called before a clock is read, it returns when all that was
    asked of the device is done. after_round: called outside of what is timed.
    """
    seconds = np.empty((warm_up + runs, len(calls)))
    for turn in seconds:
        for index, call in enumerate(calls):
            wait()
            start = clock()
            call()
            wait()
            turn[index] = clock() - start
        after_round()
    return seconds[warm_up:]


def ratios(seconds: Seconds, first: int) -> Seconds:
    """Return the times (runs, calls) as multiples of that of the call `first` in the same round."""
    return seconds / seconds[:, [first]]
