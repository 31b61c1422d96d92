"""What scores lose where they are kept in 16 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PIXELS = 1 << 16
"""As many of an image, evenly spaced, tell how many pairs are lost."""


class LostOrder:
    """Measures which pairs of pixels of an image were told apart before rounding, and are not after it."""

    def __init__(self) -> None:
        """Start without an image."""
        self._lost, self._images = 0.0, 0

    def add(self, exact: NDArray[np.float32], rounded: NDArray[np.floating]) -> None:
        """Compare the scores (height, width) of an image before and after rounding."""
        # An odd step wanders through the columns.
        step = -(-exact.size // _PIXELS) | 1
        self._lost += _tied(rounded.ravel()[::step]) - _tied(exact.ravel()[::step])
        self._images += 1

    @property
    def share(self) -> float:
        """Which part of all pairs is lost, in [0, 1], the mean over the images."""
        return self._lost / self._images if self._images else 0.0


def _tied(values: NDArray[np.floating]) -> float:
    """Return the probability that two pixels, drawn without putting one back, have the same value."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    pairs = len(values) * (len(values) - 1)
    return float((counts * (counts - 1)).sum() / pairs) if pairs else 0.0
