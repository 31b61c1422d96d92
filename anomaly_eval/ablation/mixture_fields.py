"""Which settings of `fit-mixtures` a plan may give to a refit: all that its request has, whatever these are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from anomaly_eval import posthoc
from anomaly_eval.posthoc import MixtureRequest

_OF_THE_STUDY = frozenset({"network", "out", "data_root", "seed", "overwrite"})


def check_mixture_fields(given: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that `fit-mixtures` does not have, and for a value of another kind than its own."""
    hints = _hints()
    for name, value in given.items():
        if name not in hints:
            close = difflib.get_close_matches(name, hints, n=1)
            hint = f"the nearest known one is {close[0]!r}" if close else f"the fields are refit, {', '.join(hints)}"
            raise ValueError(f"there is no field {name[:100]!r} for a refit; {hint}")
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"{name} is {str(value)[:100]!r}: {error.errors()[0]['msg']}") from error
        lowest = 1 if isinstance(value, int) else 0
        # Written so that NaN is refused too.
        if isinstance(value, int | float) and not isinstance(value, bool) and not value >= lowest:
            raise ValueError(f"{name} is {value}; it must be at least {lowest}")


@lru_cache(maxsize=1)
def _hints() -> dict[str, Any]:
    """Return the types of the fields by name."""
    import anomaly_eval.segmenters.posthoc as segmenters_posthoc

    # The request names types of that module for type checkers only, as importing it takes seconds.
    hints = get_type_hints(MixtureRequest, vars(segmenters_posthoc) | vars(posthoc))
    return {field.name: hints[field.name] for field in fields(MixtureRequest) if field.name not in _OF_THE_STUDY}
