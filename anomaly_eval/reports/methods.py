"""Names for readers: of the scores and of the datasets."""

from __future__ import annotations

from collections.abc import Iterable

from anomaly_eval.results import DatasetRecord

METHOD_NAMES = {
    "msp": "MSP",
    "entropy": "Entropy",
    "max_logit": "Max logit",
    "energy": "Energy",
    "sml": "SML",
    "mahalanobis": "Mahalanobis",
    "gmmseg": "GMMSeg",
    "gmmseg_logsumexp": "GMMSeg (log-sum-exp)",
    "gmmseg_normalised": "GMMSeg (normalised)",
}


def method_name(method: str) -> str:
    """Return the name of a score as the literature writes it; an unknown one is returned as it is."""
    return METHOD_NAMES.get(method, method)


def dataset_title(name: str, records: Iterable[DatasetRecord]) -> str:
    """Return the title of the dataset with this canonical name; without a record, the name itself."""
    return next((record.title for record in records if record.name == name), name)
