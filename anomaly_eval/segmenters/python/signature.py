"""What a function that builds a network is called with: the weights, and the device, where it takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from anomaly_eval.errors import InputError

_WORDS = frozenset({"checkpoint", "ckpt", "weights", "path", "file", "filename"})
"""Of these, one in its name makes a parameter that of the weights: `checkpoint_path`, `weights`."""
_DEVICE = "device"
_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def call(function: Callable[..., Any], name: str, weights: Path | None, device: torch.device) -> Any:
    """Call a function with what it takes of a file of weights and a device.

    The weights go to the parameter that is called after them, else to the first that has no default; as a `str` where
    the parameter says so, else as a `Path`. Raises InputError where it takes none and there are some, where it needs
    some and there are none, and where it needs anything else.
    """
    taken = _parameters(function)
    of_weights = _of_weights(taken)
    if weights is not None and of_weights is None:
        raise InputError(
            f"{name} takes no file of weights, so --ckpt {weights} says nothing to it; leave --ckpt out, or give it a "
            f"parameter called checkpoint."
        )
    needed = [one for one in taken if one.default is one.empty and one.name != _DEVICE]
    for one in needed:
        if one is not of_weights:
            raise InputError(f"{name} needs {one.name!r}, which nobody gives; give it a default.")
        if weights is None:
            raise InputError(f"{name} needs {one.name!r}; give --model FILE.py:FUNCTION with --ckpt FILE.")
    values: dict[str, Any] = {_DEVICE: device} if any(one.name == _DEVICE for one in taken) else {}
    if of_weights is not None and weights is not None:
        values[of_weights.name] = str(weights) if of_weights.annotation in (str, "str") else weights
    by_position = [values.pop(one.name) for one in taken if one.kind is one.POSITIONAL_ONLY and one.name in values]
    return function(*by_position, **values)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some that are written in C nothing is known
        return []
    return [one for one in found if one.kind in _NAMED]


def _of_weights(taken: list[inspect.Parameter]) -> inspect.Parameter | None:
    others = [one for one in taken if one.name != _DEVICE]
    named = [one for one in others if _WORDS & set(one.name.lower().split("_"))]
    needed = [one for one in others if one.default is one.empty and one.kind is not one.KEYWORD_ONLY]
    return next(iter([*named, *needed]), None)
