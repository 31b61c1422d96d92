"""Which images of a dataset a figure shows: those on which a method did best, worst, and in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from anomaly_eval.errors import InputError, closest

Choice = Literal["best", "median", "worst"]
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True)
class Chosen:
    """An image by its id, and why it was chosen; None where it was named."""

    id: str
    choice: Choice | None = None


def parse_choices(words: Sequence[str]) -> tuple[Choice, ...]:
    """Return the choices among `words`, each once; raises InputError for a word that is none."""
    words = list(dict.fromkeys(words))
    unknown = [word for word in words or [""] if word not in CHOICES]
    if unknown:
        raise InputError(f"--choose {unknown[0]!r} is not understood; give {', '.join(CHOICES)}, or some of them.")
    return tuple(sorted((choice for choice in CHOICES if choice in words), key=words.index))


def choose_images(values: Mapping[str, float], choices: Sequence[Choice], count: int = 1) -> list[Chosen]:
    """Return `count` images for each choice, in the order of the choices, by their values, of which larger ones win.

    The first of equal images counts as the better one. No image is taken twice: where there are too few, the best and
    the worst come before the median, and the choice gets fewer.
    """
    order = sorted(values, key=lambda id: -values[id])
    ranks = {id: rank for rank, id in enumerate(order)}
    middle = (len(order) - 1) / 2
    wanted: dict[Choice, list[str]] = {
        "best": order,
        "worst": order[::-1],
        "median": sorted(order, key=lambda id: abs(ranks[id] - middle)),
    }
    taken: dict[str, Chosen] = {}
    for choice, ids in wanted.items():
        free = [id for id in ids if id not in taken] if choice in choices else []
        taken |= {id: Chosen(id, choice) for id in free[:count]}
    return [chosen for choice in choices for chosen in taken.values() if chosen.choice == choice]


def named_images(ids: Sequence[str], known: Sequence[str], dataset: str) -> list[Chosen]:
    """Return the images that were asked for by their ids; raises InputError for one that the dataset lacks."""
    there = set(known)
    for id in ids:
        if id not in there:
            close = closest(id, known)
            hint = f"did you mean {close!r}?" if close else f"its first one is {known[0]!r}."
            raise InputError(f"{dataset} has no image {id!r}; {hint}")
    return [Chosen(id) for id in dict.fromkeys(ids)]
