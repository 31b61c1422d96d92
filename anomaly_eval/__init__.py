"""The evaluation harness of gmmseg-anomaly. Importing it loads nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomaly_eval.api import Evaluation, evaluate
    from anomaly_eval.studies.prediction.predicting import predict

__all__ = ["Evaluation", "evaluate", "predict"]


def __getattr__(name: str) -> Any:
    """Load the interface for Python when it is asked for: it needs torch and pandas."""
    if name == "predict":
        from anomaly_eval.studies.prediction.predicting import predict

        return predict
    if name in __all__:
        from anomaly_eval import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
