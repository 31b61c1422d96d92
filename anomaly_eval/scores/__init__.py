"""Anomaly scores by name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from anomaly_eval.errors import InputError
from anomaly_eval.scores.base import FittedScore, Score, score_maps
from anomaly_eval.scores.density import Density, LogSumExpDensity, NormalisedDensity
from anomaly_eval.scores.energy import Energy
from anomaly_eval.scores.entropy import Entropy
from anomaly_eval.scores.mahalanobis import Mahalanobis
from anomaly_eval.scores.max_logit import MaxLogit
from anomaly_eval.scores.msp import MSP
from anomaly_eval.scores.sml import SML
from anomaly_eval.scores.smoothed import (
    SmoothedDensity,
    SmoothedEnergy,
    SmoothedEntropy,
    SmoothedMaxLogit,
    SmoothedMSP,
)

SCORES: dict[str, type[Score]] = {
    kind.name: kind
    for kind in (
        MSP,
        Entropy,
        MaxLogit,
        Energy,
        SML,
        Mahalanobis,
        Density,
        LogSumExpDensity,
        NormalisedDensity,
        SmoothedMSP,
        SmoothedEntropy,
        SmoothedMaxLogit,
        SmoothedEnergy,
        SmoothedDensity,
    )
}

_READABLE = {"log_density": "class log densities", "log_density_logsumexp": "class log densities"}

__all__ = ["SCORES", "FittedScore", "Score", "choose_scores", "score_maps"]


def choose_scores(names: Iterable[str] | None, provides: frozenset[str]) -> list[Score]:
    """Build the named scores, or where `names` is None all usual ones that the segmenter's outputs allow.

    Raises InputError for an unknown name and for a score whose input the segmenter does not provide.
    """
    if names is None:
        return [kind() for kind in SCORES.values() if kind.by_default and kind.source in provides]
    chosen: list[Score] = []
    for name in dict.fromkeys(names):
        kind = SCORES.get(name)
        if kind is None:
            close = get_close_matches(name, SCORES, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            hint = "write spaces, not commas, between names; " if "," in name else hint
            raise InputError(f"there is no score {name!r}; {hint}the scores are {', '.join(SCORES)}.")
        if kind.source not in provides:
            raise InputError(
                f"the score {name!r} needs {_READABLE.get(kind.source, kind.source)}, which this network does not "
                f"provide; leave it out of --scores."
            )
        chosen.append(kind())
    return chosen
