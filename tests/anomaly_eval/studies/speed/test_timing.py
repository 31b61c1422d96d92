"""The bookkeeping of times, with a clock that says what the test wants."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_eval.studies.speed.timing import Spread, ratios, take_turns


class Clockwork:
    """A clock that only calls move, by a time of their own; all that happens is noted."""

    def __init__(self) -> None:
        self.now, self.events = 100.0, list[str]()

    def clock(self) -> float:
        self.events.append("clock")
        return self.now

    def call(self, name: str, *seconds: float):
        times = iter(seconds)

        def run() -> None:
            self.events.append(name)
            self.now += next(times)

        return run

    def wait(self) -> None:
        """Half a second passes until the device is done with a call."""
        if self.events and self.events[-1] in ("A", "B"):
            self.now += 0.5
        self.events.append("wait")

    def after(self) -> None:
        self.events.append("round")
        self.now += 1000


def test_calls_take_turns_and_the_first_rounds_are_not_timed() -> None:
    works = Clockwork()
    calls = [works.call("A", 9, 1, 2), works.call("B", 9, 3, 5)]
    found = take_turns(calls, runs=2, warm_up=1, wait=works.wait, clock=works.clock, after_round=works.after)
    # What the device still does belongs to the call; what comes after a round to nobody.
    assert found.tolist() == [[1.5, 3.5], [2.5, 5.5]]
    timed = ["wait", "clock", "A", "wait", "clock", "wait", "clock", "B", "wait", "clock", "round"]
    assert works.events == 3 * timed


def test_ratios_are_those_of_the_same_round() -> None:
    # The machine gets ten times slower in the second round: medians of times would say nothing.
    seconds = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 25.0]])
    assert ratios(seconds, 0).tolist() == [[1, 2, 3], [1, 2, 2.5]]
    assert ratios(seconds, 1).tolist() == [[0.5, 1, 1.5], [0.5, 1, 1.25]]


def test_the_spread_holds_nine_tenths() -> None:
    spread = Spread.of(np.arange(101.0)[::-1])
    assert (spread.low, spread.median, spread.high) == (5.0, 50.0, 95.0)
    one = Spread.of(np.array([3.0]))
    assert (one.low, one.median, one.high) == (3.0, 3.0, 3.0)
    assert Spread.of(np.array([1.0, 2.0])).high == pytest.approx(1.95)
