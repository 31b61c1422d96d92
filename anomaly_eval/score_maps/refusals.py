"""Options that contradict score maps from files."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_eval.errors import InputError


def refuse_network_options(given: Mapping[str, object]) -> None:
    """Raise InputError for the first option, by name, that is given; what is false or None is not."""
    for name, value in given.items():
        if value:
            raise InputError(f"{name} is about a network, which --score-maps are evaluated without; leave it out.")
