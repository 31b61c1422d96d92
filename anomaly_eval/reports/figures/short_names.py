"""Names of methods in little room: what all runs share goes first, then the middle of a run, never the score.

`split` divides a name into its run and the title of its score: as `method_name` writes them, or a run alone.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from anomaly_eval.reports.characters import shortened
from anomaly_eval.results.titles import with_run, without_run

_WORDS = re.compile(r"[\s_./-]+|[^\s_./-]+")
_SEPARATORS = " \t\n_./-"
_LONG_RUN = 24
"""Characters beyond which runs are shortened beside others that share nothing with them, such as means of networks."""
_LINES = (40, 30, 20, 15, 10)
"""Characters in a line of a name that is too wide, tried one after the other."""

Split = Callable[[str], tuple[str, str]]


def run_alone(name: str) -> tuple[str, str]:
    """Divide a name that is a run's or a network's, beside which no score is named."""
    return name, ""


def fitting_names(
    names: Sequence[str], fits: Callable[[Sequence[str]], bool], least: int = 1, split: Split = without_run
) -> list[str] | None:
    """Return the longest form of all names that fits, in which no two are alike; None where none does.

    least: characters of a run that are left at least.
    """
    for labels in (distinct(names), without_shared(names, split)):
        if fits(labels):
            return labels
    runs = [run for run, _ in map(split, without_shared(names, split))]
    for room in range(max(map(len, runs), default=0) - 1, least - 1, -1):
        labels = with_short_runs(names, room, split)
        if fits(labels):
            return labels
    return None


def without_shared(names: Sequence[str], split: Split = without_run) -> list[str]:
    """Return the names without the words that all runs, or else all long ones, share at their beginning and end.

    The only run of several names goes whole; of several runs a word is left to each.
    """
    parts = [split(name) for name in names]
    runs = list(dict.fromkeys(run for run, _ in parts))
    if len(runs) == 1:
        return distinct([score for _, score in parts] if len(names) > 1 else names)
    short = _without_shared_words(runs) or _without_shared_words([run for run in runs if len(run) > _LONG_RUN])
    return distinct([with_run(short.get(run, run), score) for run, score in parts])


def with_short_runs(names: Sequence[str], room: int, split: Split = without_run) -> list[str]:
    """Return the names without what all runs share, and runs of more than `room` characters without their middle."""
    parts = [split(name) for name in without_shared(names, split)]
    short = shortened([run for run, _ in parts], room)
    return distinct([with_run(short[run], score) for run, score in parts])


def wrapped(names: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> list[str]:
    """Return the names broken into the longest lines that fit, else into the shortest ones tried."""
    for characters in _LINES:
        broken = ["\n".join(textwrap.wrap(name, characters)) for name in names]
        if fits(broken):
            break
    return broken


def _without_shared_words(runs: Sequence[str]) -> dict[str, str]:
    """Return what is left of each run; empty where they share nothing, or where two would be alike."""
    words = [_WORDS.findall(run) for run in runs]
    first = _shared(words)
    rest = [one[first:] for one in words]
    last = _shared([one[::-1] for one in rest])
    short = ["".join(one[: len(one) - last]).strip(_SEPARATORS) for one in rest]
    if first + last == 0 or "" in short or len(set(short)) < len(short):
        return {}
    return dict(zip(runs, short, strict=True))


def _shared(words: Sequence[Sequence[str]]) -> int:
    """Return how many words all begin with, of which one is left to each."""
    shared = 0
    for column in zip(*(one[:-1] for one in words), strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after those that are there before."""
    found: list[str] = []
    for name in names:
        other, place = name, 1
        while other in found:
            place += 1
            other = f"{name} ({place})"
        found.append(other)
    return found
