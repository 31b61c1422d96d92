"""Progress bars that show the time left, and a line of each phase where there is no terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[], None]
_SHORT = 2.0
"""Seconds that nobody needs to be told of."""
_AGAIN = 10.0
"""Seconds at least until the time that is left is corrected."""


class _Speed(ProgressColumn):
    """How many steps a second there are."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


class _Line:
    """Says, as soon as a phase turns out to take time, how far it is and how long the rest may take.

    It says so again only where that was wrong: when twice the time has passed, from the steps since then.
    """

    def __init__(self, console: Console, description: str, total: int | None) -> None:
        self._console, self._description, self._total = console, description, total
        self._done, self._due = 0, monotonic() + _SHORT
        self._start: tuple[int, float] | None = None
        """From which step on, and since when, the speed is measured."""

    def advance(self) -> None:
        """Take one step."""
        now = monotonic()
        self._done += 1
        if self._start is None:
            # What comes before the first step comes once.
            self._start = self._done, now
        known = self._done >= max(2, (self._total or 0) / 100)
        if known and now >= self._due and self._done != self._total:
            self._say(now, *self._start)
            self._start = self._done, now

    def _say(self, now: float, step: int, since: float) -> None:
        text, self._due = f"{self._description}: {self._done}", math.inf
        if self._total is not None:
            left = (now - since) * (self._total - self._done) / max(1, self._done - step)
            self._due = now + max(_AGAIN, 2 * left)
            text += f" of {self._total}, about {timedelta(seconds=round(left))} left"
        self._console.print(escape(text), highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, description: str, total: int | None, speed: bool = False) -> Iterator[Advance]:
    """Show a bar of `total` steps on a terminal, elsewhere a line; yields the function that takes one step.

    total: None where nobody knows. speed: whether steps a second are shown.
    """
    if not console.is_terminal:
        yield _Line(console, description, total).advance
        return
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        *([_Speed()] if speed else []),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
