"""Temperature scaling: a number that logits are divided by, fitted on a held-out split (Guo et al., ICML 2017)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.clock import Clock
from anomaly_eval.closed_set import check_same_classes
from anomaly_eval.errors import InputError
from anomaly_eval.labels import VOID
from anomaly_eval.predicting import predictions
from anomaly_eval.prediction import Segmenter
from anomaly_eval.samples import SampleSet

PIXELS = 500_000
"""Pixels that a temperature is fitted on, drawn from all images alike."""
COLDEST, HOTTEST = 1e-3, 1e3
_HALVINGS = 50


def fit_temperature(
    logits: NDArray[np.floating], label: NDArray[np.integer], offsets: NDArray[np.floating] | None = None
) -> float:
    """Return the temperature in [1e-3, 1e3] with the least negative log-likelihood.

    logits: (n, classes), n at least 1; label: (n,) class ids; offsets: (classes,), added after the division, such as
    the logarithms of a prior. The loss is convex in 1 / T, whose best value is found
    by halving where the mean logit of the labels equals that of the softmax: in float64, to 15 digits. Where the
    loss still falls at an end of the range, that end is returned. Raises ValueError without a pixel.
    """
    if not len(logits):
        raise ValueError("a temperature needs one pixel or more")
    values = torch.from_numpy(np.asarray(logits, np.float64))
    labels = torch.from_numpy(np.asarray(label, np.int64))
    wanted = values.gather(1, labels[:, None]).mean()
    added = torch.zeros(values.shape[1]) if offsets is None else torch.from_numpy(np.asarray(offsets, np.float64))
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = ((values * np.exp(middle) + added).softmax(dim=1) * values).sum(dim=1).mean()
        if expected <= wanted:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))


def fit_temperature_on(
    segmenter: Segmenter, samples: SampleSet, console: Console, clock: Clock, seed: int = 0, pixels: int = PIXELS
) -> float:
    """Fit on pixels that are drawn evenly from all images; void ones are left out.

    Raises InputError as `calibrate` does.
    """
    check_same_classes(samples, segmenter.classes)
    segmenter, generator = segmenter.giving(()), np.random.default_rng(seed)
    share = max(1, pixels // len(samples.samples))
    kept_logits, kept_labels = [], []
    for label, prediction in predictions(segmenter, samples, console, clock, f"temperature on {samples.spec}"):
        known = np.flatnonzero(label != VOID)
        chosen = generator.permutation(known)[:share]
        chosen.sort()
        width = label.shape[1]
        with clock.section("fit"):
            for rows, logits in prediction.logits.bands():
                inside = chosen[(chosen >= rows.start * width) & (chosen < rows.stop * width)] - rows.start * width
                kept_logits.append(logits.flatten(1)[:, inside].T.cpu().numpy())
            kept_labels.append(label.ravel()[chosen])
    with clock.section("fit"):
        try:
            return fit_temperature(np.concatenate(kept_logits), np.concatenate(kept_labels))
        except ValueError as error:
            folder = samples.samples[0].label.parent
            raise InputError(f"{samples.spec}: {error}; check its labels in {folder}.") from error
