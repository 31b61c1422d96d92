"""Without a terminal, each phase that takes time is one line."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from anomaly_eval.runtime import progress
from anomaly_eval.runtime.progress import progress_bar


def lines(monkeypatch: pytest.MonkeyPatch, seconds: float, total: int | None, steps: int) -> list[str]:
    """What a phase prints, each of whose steps takes so many seconds."""
    written = io.StringIO()
    clock: Iterator[float] = iter(seconds * step for step in range(steps + 1))
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    with progress_bar(Console(file=written, emoji=False), "road_anomaly:train: [bold]", total) as advance:
        for _ in range(steps):
            advance()
    return written.getvalue().splitlines()


def test_a_long_phase_says_once_how_long_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, 1.5, 60, 60) == ["road_anomaly:train: [bold]: 2 of 60, about 0:01:27 left"]
    assert lines(monkeypatch, 1.5, None, 60) == ["road_anomaly:train: [bold]: 2"]
    assert lines(monkeypatch, 1.5, 1000, 60) == ["road_anomaly:train: [bold]: 10 of 1000, about 0:24:45 left"]


def test_a_wrong_promise_is_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run that goes on: what was done before comes fast, and the rest takes its time."""
    written = io.StringIO()
    moments = iter([0.0, *(0.2 * step for step in range(1, 21)), *(4.0 + 3.0 * step for step in range(1, 41))])
    monkeypatch.setattr(progress, "monotonic", lambda: next(moments))
    with progress_bar(Console(file=written), "images", 60) as advance:
        for _ in range(60):
            advance()
    assert written.getvalue().splitlines() == [
        "images: 10 of 60, about 0:00:10 left",
        # 20 seconds for the 16 steps since then, of which 10 were fast.
        "images: 26 of 60, about 0:00:42 left",
        "images: 55 of 60, about 0:00:15 left",
    ]


def test_a_short_one_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, 0.03, 60, 60) == []
    assert lines(monkeypatch, 5.0, 1, 1) == []
