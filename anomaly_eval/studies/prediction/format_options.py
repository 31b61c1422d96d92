"""Which options belong to which format; importing this loads nothing heavy."""

from __future__ import annotations

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.option_fields import given_flags
from anomaly_eval.studies.prediction.request import PredictionRequest

_FORMATS: dict[str, tuple[str, ...]] = {
    "overlays": ("pictures",),
    "page": ("pictures",),
    "maps": ("pictures", "smiyc"),
    "split": ("smiyc", "oodis"),
    "method": ("smiyc",),
    "least_pixels": ("oodis",),
    "threshold": ("pictures", "oodis"),
    "thresholds": ("pictures", "oodis"),
    "point": ("pictures", "oodis"),
}


def refuse_foreign_options(request: PredictionRequest) -> None:
    """Raise InputError for an option that would change nothing in the format that is asked for."""
    for field, flag in given_flags(request).items():
        formats = _FORMATS.get(field)
        if formats is not None and request.format not in formats:
            raise InputError(
                f"{flag} is of --format {' and '.join(formats)} and does nothing with {request.format}; leave it out."
            )
