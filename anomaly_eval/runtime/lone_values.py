"""Lone values in the place of lists, as Python's users write them: `scores="msp"`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class TakesLoneValues:
    """Base of requests: a string or a path stands for a list of itself where a field holds a sequence."""

    def __post_init__(self) -> None:
        """Put each lone value into a list."""
        for name in _lists(type(self)):
            value = getattr(self, name)
            if isinstance(value, str | Path):
                object.__setattr__(self, name, (value,))


def as_list_of(kind: Any, value: Any) -> Any:
    """Return what Python's users write for a field of this type, as a list where the field holds a sequence.

    A mapping stands for words `NAME=VALUE`, a lone value for a list of itself, and a number for its word.
    """
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    element = next((get_args(one)[0] for one in (kind, *get_args(kind)) if get_origin(one) in (Sequence, list)), None)
    if element is None or value is None:
        return value
    if isinstance(value, Mapping):
        return [f"{name}={one}" for name, one in value.items()]
    values = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return [str(one) if element is str and isinstance(one, int | float) else one for one in values]


def _lists(kind: Any) -> frozenset[str]:
    """Return the fields that hold sequences, or None in the place of one."""
    hints = get_type_hints(kind)
    return frozenset(
        field.name
        for field in dataclasses.fields(kind)
        if any(get_origin(one) is Sequence for one in (hints[field.name], *get_args(hints[field.name])))
    )
