"""Anomaly scores by name: one idea a file, which says all that is known of it."""

from anomaly_eval.scores.base import FittedScore, Score, ScoreOption, score_maps, unfitted
from anomaly_eval.scores.registry import SCORES, choose_scores, provided, register, score_options

__all__ = [
    "SCORES",
    "FittedScore",
    "Score",
    "ScoreOption",
    "choose_scores",
    "provided",
    "register",
    "score_maps",
    "score_options",
    "unfitted",
]
