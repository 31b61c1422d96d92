"""Temperature scaling: a number that logits are divided by (Guo et al., ICML 2017)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

COLDEST, HOTTEST = 1e-3, 1e3
_HALVINGS = 50
_AT_END = 1e-9


def end_of_range(temperature: float) -> str:
    """Say what a fitted temperature means that ran to an end of the range; empty for one within it."""
    if temperature <= COLDEST * (1 + _AT_END):
        return "the coldest there is: the larger a margin, the better, as no pixel that it was fitted on is wrong"
    if temperature >= HOTTEST * (1 - _AT_END):
        return (
            "the hottest there is: the flatter probabilities are, the better, as the logits say nothing of the labels"
        )
    return ""


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
