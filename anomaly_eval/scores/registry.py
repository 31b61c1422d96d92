"""All scores by name: those that the modules of this folder define, and those that others register."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from anomaly_eval.errors import InputError, closest
from anomaly_eval.results.titles import TITLES
from anomaly_eval.scores.base import Score, ScoreOption

_OTHERS = {"registry", "statistics_file"}
"""The modules of this folder that are about all scores."""

SCORES: dict[str, type[Score]] = {}
"""In the order of tables."""


def register(kind: type[Score]) -> None:
    """Make a score known by its name, after those that are; raises ValueError where the name is taken."""
    if SCORES.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"there are two scores {kind.name!r}")
    TITLES[kind.name] = kind.title


def choose_scores(
    names: Iterable[str] | None,
    provides: frozenset[str],
    options: Mapping[str, Any] | None = None,
    remedy: str = "leave it out of --scores",
) -> list[Score]:
    """Build the named scores, or the one, or where `names` is None all usual ones that the segmenter's outputs allow.

    options: by the names that `score_options` gives them. Raises InputError for an unknown name, for a score whose
    input the segmenter does not provide, which the `remedy` is for, and for an option without sense.
    """
    if names is None:
        return [_built(kind, options) for kind in SCORES.values() if kind.by_default and kind.source_among(provides)]
    chosen: list[Score] = []
    for name in dict.fromkeys([names] if isinstance(names, str) else names):
        kind = SCORES.get(name)
        if kind is None:
            close = closest(name, SCORES)
            hint = f"did you mean {close!r}? " if close else ""
            hint = "write spaces, not commas, between names; " if "," in name else hint
            raise InputError(f"there is no score {name!r}; {hint}the scores are {', '.join(SCORES)}.")
        if kind.source_among(provides) is None:
            raise InputError(f"the score {name!r} needs {kind.needs}, which this network does not provide; {remedy}.")
        chosen.append(_built(kind, options))
    return chosen


def provided(names: Iterable[str], provides: Collection[str]) -> list[str]:
    """Return those of the names whose scores can read one of these fields of `Prediction`; all names are known ones."""
    return [name for name in names if SCORES[name].source_among(provides) is not None]


def score_options() -> dict[str, tuple[type[Score], ScoreOption]]:
    """Return the options of all scores, by names such as `sml_without`."""
    return {f"{kind.name}_{option.keyword}": (kind, option) for kind in SCORES.values() for option in kind.options}


def _built(kind: type[Score], options: Mapping[str, Any] | None) -> Score:
    found = {}
    for option in kind.options:
        value = (options or {}).get(name := f"{kind.name}_{option.keyword}")
        if options and name in options:
            # A lone word from Python is a list of itself.
            found[option.keyword] = [value] if isinstance(value, str) and option.type == list[str] else value
    return kind.configured(**found)


def _defined() -> Iterable[type[Score]]:
    """Yield the scores that are defined in this folder; a class without a name of its own is none."""
    modules = (module.name for module in iter_modules([str(Path(__file__).parent)]))
    for name in sorted(set(modules) - _OTHERS):
        module = import_module(f"{__package__}.{name}")
        own = (kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__)
        yield from (kind for kind in own if issubclass(kind, Score) and "name" in vars(kind) and not isabstract(kind))


for _kind in sorted(_defined(), key=lambda kind: (kind.place, kind.name)):
    register(_kind)
