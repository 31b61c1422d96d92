"""Lone values in the place of lists, as Python's users write them: `scores="msp"`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints


class TakesLoneValues:
    """Base of requests: a string or a path stands for a list of itself where a field holds a sequence."""

    def __post_init__(self) -> None:
        """Put each lone value into a list."""
        for name in _lists(type(self)):
            value = getattr(self, name)
            if isinstance(value, str | Path):
                object.__setattr__(self, name, (value,))


def _lists(kind: Any) -> frozenset[str]:
    """Return the fields that hold sequences, or None in the place of one."""
    hints = get_type_hints(kind)
    return frozenset(
        field.name
        for field in dataclasses.fields(kind)
        if any(get_origin(one) is Sequence for one in (hints[field.name], *get_args(hints[field.name])))
    )
