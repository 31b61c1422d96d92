"""A state of a metric that has seen some images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

State = TypeVar("State")


def updated(state: State, images: Iterable[tuple[Any, Any]]) -> State:
    """Show pairs of scores and labels to a state, and return it."""
    for scores, labels in images:
        state.update(scores, labels)  # type: ignore[attr-defined]
    return state
