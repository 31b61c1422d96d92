"""Temperature scaling: a number that logits are divided by, fitted on a held-out split (Guo et al., ICML 2017)."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.evaluation.closed_set import check_same_classes
from anomaly_eval.evaluation.image_loop import predictions
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.temperature import fit_temperature
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.segmenters.base import Segmenter

PIXELS = 500_000
"""Pixels that a temperature is fitted on, drawn from all images alike."""


def fit_temperature_on(
    segmenter: Segmenter, samples: SampleSet, console: Console, clock: Clock, seed: int = 0, pixels: int = PIXELS
) -> float:
    """Fit on pixels that are drawn evenly from all images; void ones are left out.

    Raises InputError as `calibrate` does.
    """
    check_same_classes(samples, segmenter)
    segmenter, generator = segmenter.with_outputs(()), np.random.default_rng(seed)
    share = max(1, pixels // len(samples.samples))
    kept_logits, kept_labels = [], []
    for _, label, prediction in predictions(segmenter, samples, console, clock, f"temperature on {samples.spec}"):
        known = np.flatnonzero(label != VOID)
        chosen = generator.permutation(known)[:share]
        chosen.sort()
        width = label.shape[1]
        with clock.section("fit"):
            for rows, logits in prediction.class_maps.bands():
                inside = chosen[(chosen >= rows.start * width) & (chosen < rows.stop * width)] - rows.start * width
                kept_logits.append(logits.flatten(1)[:, inside].T.cpu().numpy())
            kept_labels.append(label.ravel()[chosen])
    with clock.section("fit"):
        try:
            return fit_temperature(np.concatenate(kept_logits), np.concatenate(kept_labels))
        except ValueError as error:
            raise samples.wrong_labels(error) from error
