"""Bins of scores: cells of the order-preserving integer key of float32, or borders learnt from a sample of scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.arrays import ArrayLike, as_scores, rounded_to_float32

_SIGN = np.uint32(1 << 31)
FEWEST_BITS, MOST_BITS = 8, 20


class ScoreBins:
    """A partition of all floating-point numbers into ascending bins.

    borders: (bins - 1,) float32 or float64, ascending; bin i holds the scores s with borders[i - 1] <= s < borders[i].
    For cells of the key scores are rounded to float32 first, which keeps their order, so that whatever is certain about
    bins stays so for float64.
    """

    def __init__(self, borders: NDArray[np.floating]) -> None:
        """Take the borders; raises ValueError unless they ascend strictly and none is NaN."""
        if not (borders[1:] > borders[:-1]).all() or np.isnan(borders).any():
            raise ValueError("the borders of bins must ascend strictly, without NaN")
        self.borders = borders
        self._shift: np.uint32 | None = None

    @classmethod
    def uniform(cls, bits: int = 16) -> ScoreBins:
        """Cells of the key of float32, 2^bits of them, of which no finite score uses those of NaN.

        Every power of two gets 2^(bits - 9) bins, which is fine near 0 and coarse elsewhere: maximum softmax
        probabilities near 1 share few bins. Raises ValueError for bits outside 8 to 20.
        """
        _check_bits(bits)
        bins = cls.__new__(cls)
        bins.borders, bins._shift = _cells(bits), np.uint32(32 - bits)
        return bins

    @classmethod
    def fitted(cls, scores: ArrayLike, bits: int = 16) -> ScoreBins:
        """At most 2^bits bins, most of them where a sample of scores lies.

        Half of the borders are quantiles of the sample at equal steps; a quarter is ever closer to its top, where
        average precision is decided; a quarter is cells of the key, for scores that the sample does not hold. Take
        pixels from many images, for instance every tenth; average precision of rare anomalies is the better bounded the
        more of the largest scores are among them. Where float32 does not hold the sample, as with a large offset,
        borders are float64, and the cells are those of what is left without the sample's median and scale. Raises
        ValueError for bits outside 8 to 20, an empty sample or NaN.
        """
        _check_bits(bits)
        values = as_scores(scores).reshape(-1)
        rounded = rounded_to_float32(values)
        fine = not np.array_equal(rounded, values, equal_nan=True)
        sample = np.sort(values if fine else rounded)
        if not len(sample) or np.isnan(sample[-1]):
            raise ValueError("bins are fitted to one score or more, and none may be NaN")
        steps = 1 << (bits - 2)
        levels = np.concatenate(
            [np.linspace(0, 1, 2 * steps - 2), 1 - np.exp2(-np.linspace(0, np.log2(len(sample) + 1), steps))]
        )
        quantiles = sample[(levels * (len(sample) - 1)).astype(np.int64)]
        cells = _cells_around(sample, bits - 2) if fine else _cells(bits - 2)
        borders = np.unique(np.concatenate([quantiles, cells]))
        return cls(borders[np.isfinite(borders)])

    @property
    def lowest(self) -> NDArray[np.floating]:
        """The least score that each bin can hold, (bins,)."""
        # Below the cell of -inf, and only for bins that nothing falls into above that of inf, there is no number.
        return np.concatenate(
            [[np.float32(-np.inf)], np.nan_to_num(self.borders, nan=-np.inf, posinf=np.inf, neginf=-np.inf)]
        )

    def __len__(self) -> int:
        return len(self.borders) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoreBins) and np.array_equal(self.borders, other.borders, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]

    def counts(self, scores: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return how many of the scores (n,) lie in each bin, (bins,); none may be NaN."""
        if self._shift is not None:
            return np.bincount(to_key(rounded_to_float32(scores)) >> self._shift, minlength=len(self))
        places = np.searchsorted(np.sort(scores), self.borders)
        return np.diff(places, prepend=0, append=len(scores))


def to_key(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return integers in the order of the values; 0.0 and -0.0 have the same."""
    bits = (values + np.float32(0)).view(np.uint32)
    # Negative numbers are stored as sign and magnitude: the larger the bits, the smaller the number.
    return bits ^ ((bits >> np.uint32(31)) * ~_SIGN | _SIGN)


def from_key(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Return the values of keys, NaN for keys that no number has."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).astype(np.uint32).view(np.float32)


def _cells(bits: int) -> NDArray[np.float32]:
    """Return the borders of 2^bits cells of the key, NaN where the key stands for no number."""
    return from_key(np.arange(1, 1 << bits, dtype=np.uint32) << np.uint32(32 - bits))


def _cells_around(sample: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """Return finite borders of 2^bits cells at most, fine around the median of an ascending sample, in its scale."""
    finite = sample[np.isfinite(sample)]
    if not len(finite):
        return _cells(bits).astype(np.float64)
    lower, median, upper = finite[[len(finite) // 4, len(finite) // 2, 3 * len(finite) // 4]]
    # Far apart numbers may overflow: what is not finite is left out, as no border could lie there.
    with np.errstate(over="ignore", invalid="ignore"):
        scale = next((width for width in (upper - lower, finite[-1] - finite[0]) if 0 < width < np.inf), 1.0)
        borders: NDArray[np.float64] = median + scale * _cells(bits).astype(np.float64)
    return np.extract(np.isfinite(borders), borders)


def _check_bits(bits: int) -> None:
    if not FEWEST_BITS <= bits <= MOST_BITS:
        raise ValueError(f"2^{bits} bins are not possible; choose {FEWEST_BITS} to {MOST_BITS} bits")
