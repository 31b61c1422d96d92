"""What a user gives of a network, beside how it is run; importing this loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from anomaly_eval.errors import InputError, closest
from anomaly_eval.runtime.choices import Colours
from gmmseg.class_names import plain_name


@dataclass(frozen=True)
class Given:
    """The network itself, and what it cannot say of itself; None is not given."""

    path: Path
    """A file, a folder or a name, of which a kind in `segmenters/kinds` recognises what it is."""
    config: str | None = None
    weights: Path | None = None
    """A file for a network that takes its weights from one."""
    mean: tuple[float, ...] | None = None
    """Of each channel, in the 0 to 255 of pixels and in the order of `colours`."""
    std: tuple[float, ...] | None = None
    colours: Colours | None = None
    instance: Any = None
    """The network itself where it was handed over from Python; `path` is then what it is called."""
    size: tuple[int, int] | None = None
    """(width, height) of all of its inputs, where that is known before it is loaded; not a user's to give."""

    def __post_init__(self) -> None:
        """Raise InputError for a mean or deviation that no RGB image can have."""
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != 3:
                raise InputError(f"{_FLAGS[name]} has {len(values)} values; give one for each of the three channels.")
        if self.std is not None and min(self.std) <= 0:
            raise InputError("--std must be positive, as pixels are divided by it.")

    def refuse_others(self, taken: frozenset[str], title: str) -> None:
        """Raise InputError for what means nothing to a kind that takes these fields; `title` names its networks."""
        given = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        for name in given:
            if name in _FLAGS and name not in taken:
                raise InputError(f"{_FLAGS[name]} says nothing about {self.path}, one of {title}; leave it out.")


_FLAGS: Mapping[str, str] = {
    "config": "--config",
    "weights": "--ckpt beside --model",
    "mean": "--mean",
    "std": "--std",
    "colours": "--colours",
}


def python_function(path: Path) -> tuple[Path, str] | None:
    """Return the file and the function that FILE.py:FUNCTION names; None for other words.

    FILE.py alone names no function, which the text then is empty of.
    """
    match = re.fullmatch(r"(.+\.py)(?::([^/\\:]*))?", str(path))
    return None if match is None else (Path(match[1]), match[2] or "")


def chosen_classes(asked: Sequence[str], classes: Sequence[str], named: bool) -> tuple[int, ...]:
    """Return which outputs of a network with these classes are known classes, by number, range or name, as they come.

    Case, spaces and underscores of names make no difference. Raises InputError for what is none of them, for a class
    that is named twice, and for fewer than two.
    """
    names = {plain_name(name): index for index, name in enumerate(classes)} if named else {}
    chosen: list[int] = []
    for word in asked:
        first, dash, last = word.partition("-")
        if plain_name(word) in names:
            chosen.append(names[plain_name(word)])
        elif first.isdecimal() and (last.isdecimal() or not dash):
            chosen += range(int(first), int(last if dash else first) + 1)
        else:
            close = closest(word, classes) if named else None
            hint = f"did you mean {close!r}? " if close else ""
            raise InputError(
                f"--known-classes: the network has no class {word!r}; {hint}write names as the network has them, "
                f"numbers from 0, or ranges such as 0-18."
            )
    if too_large := [index for index in chosen if index >= len(classes)]:
        raise InputError(
            f"--known-classes: there is no output {too_large[0]}, as the network has {len(classes)}, from 0 to "
            f"{len(classes) - 1}."
        )
    if twice := [index for index in chosen if chosen.count(index) > 1]:
        raise InputError(f"--known-classes names the output {twice[0]} twice; name it once.")
    if len(chosen) < 2:
        raise InputError("--known-classes leaves fewer than two classes, of which nothing could be scored; name more.")
    return tuple(chosen)
