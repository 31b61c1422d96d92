"""The kinds of networks, one file each; a new one is found by being here."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from anomaly_eval.segmenters.network import NetworkKind


@cache
def network_kinds() -> tuple[NetworkKind, ...]:
    """Return one of every kind in this folder, in the order in which they are asked."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found = [
        kind()
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, NetworkKind) and kind.__module__ == module.__name__
    ]
    return tuple(sorted(found, key=lambda kind: kind.asked_last))


def kind_of(given: Path) -> NetworkKind:
    """Return the first kind that recognises what the user gave; the last one takes anything."""
    return next(kind for kind in network_kinds() if kind.recognises(given))
