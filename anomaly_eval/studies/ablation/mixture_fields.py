"""Which settings of `fit-mixtures` a plan may give to a refit: all that its request has, whatever these are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from anomaly_eval.errors import nearest
from anomaly_eval.studies.mixtures.request import MixtureRequest

_OF_THE_STUDY = frozenset({"checkpoint", "config", "running", "out", "data_root", "seed", "overwrite"})


def check_mixture_fields(given: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that `fit-mixtures` does not have, and for a value of another kind than its own."""
    hints = _hints()
    for name, value in given.items():
        if name not in hints:
            raise ValueError(f"there is no field {name[:100]!r} for a refit; {nearest(name, hints)}")
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"{name} is {str(value)[:100]!r}: {error.errors()[0]['msg']}") from error
        _check_bounds(name, value, hints[name])
    if given.get("shrinkage", 0) and given.get("covariance") != "full":
        raise ValueError("shrinkage is about whole covariances; add covariance: full, or leave it out")


def _check_bounds(name: str, value: Any, kind: Any) -> None:
    """Raise ValueError for a number that its field cannot have; YAML writes 0 for 0.0, so the field says which."""
    kinds = (kind, *get_args(kind))
    if value is None or not (int in kinds or float in kinds):
        return
    # Written so that NaN is refused too.
    if name == "shrinkage":
        fits, bounds = 0 <= value <= 1, "between 0 and 1"
    elif name == "variance_floor":
        fits, bounds = 0 < value < math.inf, "above 0 and finite"
    elif float in kinds:
        fits, bounds = 0 <= value < math.inf, "at least 0 and finite"
    else:
        fits, bounds = value >= 1, "at least 1"
    if not fits:
        raise ValueError(f"{name} is {value}; it must be {bounds}")


@lru_cache(maxsize=1)
def _hints() -> dict[str, Any]:
    """Return the types of the fields by name."""
    hints = get_type_hints(MixtureRequest)
    return {field.name: hints[field.name] for field in fields(MixtureRequest) if field.name not in _OF_THE_STUDY}
