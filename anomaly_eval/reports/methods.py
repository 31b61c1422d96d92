"""Names for readers: of the scores and of the datasets."""

from __future__ import annotations

from collections.abc import Iterable

from anomaly_eval.results.records import DatasetRecord

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
    "msp_smoothed": "MSP (smoothed)",
    "entropy_smoothed": "Entropy (smoothed)",
    "max_logit_smoothed": "Max logit (smoothed)",
    "energy_smoothed": "Energy (smoothed)",
    "gmmseg_smoothed": "GMMSeg (smoothed)",
}

_OF_RUN = "/"


def method_name(method: str) -> str:
    """Return the name of a score as the literature writes it; an unknown one is returned as it is."""
    run, _, score = method.rpartition(_OF_RUN)
    name = METHOD_NAMES.get(score, score)
    return f"{run}: {name}" if run else name


def of_run(run: str, method: str) -> str:
    """Return what a score is called beside those of other runs; `method_name` writes it as `RUN: SCORE`."""
    return f"{run}{_OF_RUN}{method}"


def dataset_title(name: str, records: Iterable[DatasetRecord]) -> str:
    """Return the title of the dataset with this canonical name; without a record, the name itself."""
    return next((record.title for record in records if record.name == name), name)
