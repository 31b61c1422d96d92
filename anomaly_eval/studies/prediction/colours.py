"""Which scores the colours of overlays tell apart: the same for all images of a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import numpy as np

from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.records import ScaleRecord

_FIRST = 8
"""Images that the colours are fitted to where nothing else says what is usual: they wait in memory."""
_LOW, _HIGH = 50.0, 99.5


def with_scale(predictor: Predictor, frames: Iterator[PredictedFrame]) -> tuple[ScaleRecord, Iterator[PredictedFrame]]:
    """Return the scale, and all frames.

    Colours begin at the median score, of ordinary images if the network's card knows it, else of the first images; they
    are half-way at the threshold. Without a threshold above it they end at the 99.5th percentile of the first images.
    """
    threshold, median = predictor.threshold, predictor.median
    if median is not None and threshold is not None and threshold.value > median:
        return _around(median, threshold.value, "the median of the network's card"), frames
    first = list(islice(frames, _FIRST))
    scores = np.concatenate([frame.scores[np.isfinite(frame.scores)] for frame in first] or [np.zeros(0, np.float32)])
    low, high = (float(value) for value in np.percentile(scores, (_LOW, _HIGH))) if len(scores) else (0.0, 1.0)
    source = f"the median of the first {len(first)} images"
    if threshold is not None and threshold.value > low:
        return _around(low, threshold.value, source), chain(first, frames)
    if not high > low:
        high = low + max(1.0, abs(low))
    return ScaleRecord(low=low, high=high, source=f"{source} to their 99.5th percentile"), chain(first, frames)


def _around(low: float, middle: float, source: str) -> ScaleRecord:
    return ScaleRecord(low=low, high=2 * middle - low, source=f"{source}, and as far above the threshold")
