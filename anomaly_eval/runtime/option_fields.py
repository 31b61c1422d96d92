"""The fields of a request that are asked for on the command line, and those that several requests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from gmmseg.asked import LAUNCHER, MAX_SEED, Asked, LauncherName, flag

__all__ = [
    "DATA_ROOT",
    "DEVICE",
    "JOURNAL",
    "LAUNCHER",
    "MAX_SEED",
    "Asked",
    "AskedField",
    "LauncherName",
    "asked_fields",
    "build",
    "flag",
    "given_flags",
    "given_paths",
]

T = TypeVar("T")


@dataclass(frozen=True)
class AskedField:
    """A field that is asked for."""

    type: Any
    asked: Asked
    default: Any
    """`dataclasses.MISSING` where there is none."""


def asked_fields(kind: Any) -> dict[str, AskedField]:
    """Return the fields of a dataclass that are asked for; those of the dataclasses in it stand in their place."""
    found: dict[str, AskedField] = {}
    for field, hint, asked in _own_fields(kind):
        found |= asked_fields(hint) if asked is None else {field.name: AskedField(hint, asked, field.default)}
    return found


def build(kind: type[T], values: Mapping[str, Any], start: T | None = None) -> T:
    """Build a dataclass from values for its fields and for those of the dataclasses in it, all by their names.

    A dataclass in it may also be given as a whole. What is not given is as in `start`, or as by default.
    """
    given: dict[str, Any] = {}
    for field, hint, asked in _own_fields(kind):
        if asked is None:
            given[field.name] = build(hint, values, values.get(field.name))
        elif field.name in values:
            given[field.name] = values[field.name]
    return kind(**given) if start is None else dataclasses.replace(start, **given)  # type: ignore[type-var]


def given_flags(request: Any) -> dict[str, str]:
    """Return the options of all fields that are not as by default, as users write them, by the fields' names."""
    given: dict[str, str] = {}
    for field, _, asked in _own_fields(type(request)):
        value = getattr(request, field.name)
        if asked is None:
            given |= given_flags(value)
        elif value != field.default:
            given[field.name] = asked.flag_of(field.name)
    return given


def given_paths(request: Any) -> Iterator[tuple[str, bool]]:
    """Yield the words of a request that may name what is read, which is all but its `out`, and whether folders are."""
    for field, _, asked in _own_fields(type(request)):
        value = getattr(request, field.name)
        if asked is None:
            yield from given_paths(value)
        elif field.name != "out":
            for one in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
                if isinstance(one, Path) or (asked.names is not None and isinstance(one, str)):
                    yield str(one), asked.names != "files"


def _own_fields(kind: Any) -> Iterator[tuple[dataclasses.Field[Any], Any, Asked | None]]:
    """Yield the fields of a dataclass that hold `Asked`, with their types, and those that are dataclasses."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield field, hint, None
        for asked in getattr(hint, "__metadata__", ()):
            if isinstance(asked, Asked):
                yield field, get_args(hint)[0], asked


DATA_ROOT = Asked("Folder with the datasets. Default: $GMMSEG_ANOMALY_DATA, else ./datasets.")
DEVICE = Asked("Where the network runs.")
JOURNAL = Asked("Keep nothing from which an interrupted run could go on.", "--no-journal", negated=True)
