"""Where a number stands: of which method it is, on which dataset, and at which threshold."""

from __future__ import annotations

from typing import NamedTuple

from anomaly_eval.results.record import Record


class Place(NamedTuple):
    """What rows of one kind are told apart by; what a kind does not have is empty."""

    dataset: str
    method: str = ""
    point: str = ""
    """What a threshold was chosen for."""
    learnt_on: str = ""
    """The dataset that it was chosen on."""


def place(row: Record) -> Place:
    """Return where a row stands."""
    return Place(*(getattr(row, field, "") for field in Place._fields))
