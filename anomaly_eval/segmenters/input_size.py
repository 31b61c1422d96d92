"""The size at which an image enters the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError

_LARGEST = 32_000
"""No side of an image that OpenCV resizes may be longer than about this, in pixels."""
LARGEST_FACTOR = 16
"""Of what both sides are multiplied by."""
_LARGEST_DIVISOR = 1024
"""Of what the sides may be rounded to, in pixels."""
_MOST_PIXELS = 1 << 28
"""Of a network's input: 3 GB of float32 before the first layer."""


class SizeError(InputError):
    """A text is no size; `reason` says why in the middle of a sentence, whoever gave the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"--resize {reason}.")
        self.reason = reason


def size_text(given: object) -> object:
    """Return the size of a card or a plan as the text that `--resize` takes; YAML makes a number of a short side.

    What is neither text nor number is returned as it is. Raises ValueError for what `--resize` would refuse.
    """
    if isinstance(given, float):
        raise ValueError(f"{given} is no size; write a factor with an x, as in 0.5x")
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if isinstance(text, str):
        try:
            InputSize.parse(text)
        except SizeError as error:
            raise ValueError(error.reason) from error
    return text


@dataclass(frozen=True)
class InputSize:
    """A rule from the size of an image to the size of the network's input, all in pixels.

    One of: `factor` (both sides), `short_side` (aspect ratio kept), `exact` (width, height), or none: native.
    `long_side_at_most` limits `short_side`: an image whose long side would exceed it is resized to that long side.
    Both sides are rounded to the nearest multiples of `divisor` after that.
    """

    factor: float | None = None
    short_side: int | None = None
    exact: tuple[int, int] | None = None
    long_side_at_most: int | None = None
    divisor: int = 1
    of_network: bool = field(default=False, compare=False)
    """Whether the network brought the rule with it, as nobody asked for another."""

    @classmethod
    def parse(cls, text: str | None) -> InputSize:
        """Read `0.5x`, `512` (short side) or `1024x512` (width x height); None is native resolution.

        `/32` after each of them rounds the sides to multiples of 32. Raises SizeError for another text, and for sizes
        out of range.
        """
        if text is None:
            return cls()
        size, *divisors = text.split("/")
        divisor = 1 if not divisors else int(divisors[0]) if re.fullmatch(r"[0-9]{1,9}", "/".join(divisors)) else 0
        if not 0 < divisor <= _LARGEST_DIVISOR:
            raise SizeError(
                f"{text!r} is not understood; after the slash give what the sides shall be multiples of, up to "
                f"{_LARGEST_DIVISOR}, as in 1x/32"
            )
        if match := re.fullmatch(r"(\d+)x(\d+)", size):
            rule = cls(exact=(int(match[1]), int(match[2])))
        elif match := re.fullmatch(r"(\d*\.?\d+)x", size):
            rule = cls(factor=float(match[1]))
        elif re.fullmatch(r"\d+", size):
            rule = cls(short_side=int(size))
        else:
            raise SizeError(f"{text!r} is not understood; give a factor (0.5x), a short side (512) or WIDTHxHEIGHT")
        if rule.factor is not None and not 0 < rule.factor <= LARGEST_FACTOR:
            raise SizeError(
                f"{text!r} is a factor out of range; give one above 0 and up to {LARGEST_FACTOR}, a short side (512) "
                f"or WIDTHxHEIGHT"
            )
        sizes = rule.exact or ((rule.short_side or 0,) if rule.factor is None else ())
        if not all(0 < size <= _LARGEST for size in sizes):
            raise SizeError(f"{text!r} is out of range; give sizes above 0 and up to {_LARGEST}")
        return rule.in_multiples_of(divisor)

    def in_multiples_of(self, divisor: int) -> InputSize:
        """Return the rule whose sides are these, rounded to multiples of a number of pixels."""
        rule = replace(self, divisor=divisor)
        return replace(rule, exact=rule._to_multiples(*self.exact)) if self.exact else rule

    @property
    def native(self) -> bool:
        """Whether images enter the network at their own size."""
        return self == InputSize()

    def times(self, factor: float) -> InputSize:
        """Return the rule that gives `factor` times this size; whose rule it is stays as it was."""
        if factor == 1:
            return self
        return replace(
            self,
            factor=None if self.short_side or self.exact else factor * (self.factor or 1.0),
            short_side=_rounded(self.short_side * factor) if self.short_side else None,
            exact=self._to_multiples(self.exact[0] * factor, self.exact[1] * factor) if self.exact else None,
            long_side_at_most=_rounded(self.long_side_at_most * factor) if self.long_side_at_most else None,
        )

    def __str__(self) -> str:
        rounded = f", sides multiples of {self.divisor}" if self.divisor > 1 else ""
        if self.exact:
            return f"{self.exact[0]}x{self.exact[1]}{rounded}"
        if self.short_side:
            limit = f", long side at most {self.long_side_at_most}" if self.long_side_at_most else ""
            return f"short side {self.short_side}{limit}{rounded}"
        return (f"{self.factor:g}x" if self.factor else "native") + rounded

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the network's input for an image of this size; halves are rounded up.

        Raises InputError where the input would be larger than any network can take.
        """
        across, down = self.exact or self._scaled(width, height)
        if max(across, down) > _LARGEST or across * down > _MOST_PIXELS:
            raise InputError(
                f"an image of {width}x{height} would enter the network as {across}x{down} ({self}); choose a "
                f"smaller input with --resize."
            )
        return across, down

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        factor = self.short_side / min(width, height) if self.short_side else self.factor or 1.0
        if self.long_side_at_most:
            factor = min(factor, self.long_side_at_most / max(width, height))
        return self._to_multiples(width * factor, height * factor)

    def _to_multiples(self, width: float, height: float) -> tuple[int, int]:
        return _rounded(width, self.divisor), _rounded(height, self.divisor)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize (height, width, 3) bilinearly on 8-bit values, as mmcv's `Resize` does; a native image is returned."""
        target = self.target(image.shape[1], image.shape[0])
        if target == (image.shape[1], image.shape[0]):
            return image
        return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _rounded(side: float, divisor: int = 1) -> int:
    """Return the nearest multiple in pixels that is not 0, as mmcv rounds, so that its sizes are met to the pixel."""
    return max(int(side / divisor + 0.5), 1) * divisor
