"""Progress bars that show the time left, and one line of each phase where there is no terminal."""

from __future__ import annotations

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


class _Speed(ProgressColumn):
    """How many steps a second there are."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


class _Line:
    """Says once, as soon as a phase turns out to take time, how far it is and how long the rest may take."""

    def __init__(self, console: Console, description: str, total: int | None) -> None:
        self._console, self._description, self._total = console, description, total
        self._done, self._began, self._first, self._said = 0, monotonic(), 0.0, False

    def advance(self) -> None:
        """Take one step."""
        now = monotonic()
        self._done += 1
        if self._done == 1:
            # What comes before the first step comes once.
            self._first = now
        known = self._done >= max(2, (self._total or 0) / 100)
        if self._said or not known or now - self._began < _SHORT or self._done == self._total:
            return
        self._said = True
        text = f"{self._description}: {self._done}"
        if self._total is not None:
            left = (now - self._first) * (self._total - self._done) / (self._done - 1)
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
