"""Small runs made by hand, whose pixels tests can count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.curves import Curve, thinned_curve
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.reports.page import PageStore


@dataclass(frozen=True)
class Made:
    """An image, its label, and its score maps by method."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    maps: dict[str, NDArray[np.float32]]


def make(seed: int, size: tuple[int, int] = (60, 100), with_anomaly: bool = True) -> Made:
    """Return a coloured image with a square anomaly, a void strip at the bottom, and two methods of random scores."""
    random = np.random.default_rng(seed)
    label = np.zeros(size, np.uint8)
    if with_anomaly:
        label[10:20, 10 + seed : 20 + seed] = 1
    label[-6:] = 255
    noise = random.standard_normal((2, *size))
    maps = {
        "msp": (noise[0] + 1.5 * (label == 1)).astype(np.float32),
        "sml": (100 * noise[1] + 30 * (label == 1)).astype(np.float32),
    }
    return Made(random.integers(0, 255, (*size, 3)).astype(np.uint8), label, maps)


def fill(store: PageStore, dataset: str, made: dict[str, Made]) -> dict[tuple[str, str], Curve]:
    """Add all images to the store in the order of an evaluation; return the curves."""
    states: dict[str, RankingState] = {}
    for sample_id, one in made.items():
        for method, scores in one.maps.items():
            store.add(dataset, method, sample_id, one.image, one.label, scores)
            states.setdefault(method, RankingState()).update(scores, one.label)
    return {(dataset, method): thinned_curve(state.counts(1)) for method, state in states.items()}


def exact(made: dict[str, Made], method: str, threshold: float) -> tuple[int, int, int, int]:
    """Return anomalies and inliers at or above a threshold over these images, then all anomalies and all inliers."""
    scores = np.concatenate([one.maps[method].ravel() for one in made.values()])
    label = np.concatenate([one.label.ravel() for one in made.values()])
    above = scores >= np.float32(threshold)
    counts = [np.count_nonzero(above & (label == kind)) for kind in (1, 0)]
    return counts[0], counts[1], np.count_nonzero(label == 1), np.count_nonzero(label == 0)
