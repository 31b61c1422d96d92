"""Test-time augmentation: a network looks at an image several times, at other sizes and mirrored.

As mmsegmentation has it: its `tta_pipeline` takes all sizes by both orientations, and its `SegTTAModel` the mean of the
probabilities (mmseg/models/segmentors/seg_tta.py).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.means import mean_record
from anomaly_eval.results.origins import FitRecord, MeanOf, ModelRecord
from anomaly_eval.segmenters.base import Prediction, Segmenter
from anomaly_eval.segmenters.capabilities import Scalable
from anomaly_eval.segmenters.input_size import LARGEST_FACTOR, InputSize
from anomaly_eval.segmenters.sharing import SharedSegmenter


@dataclass(frozen=True)
class Views:
    """Which views of an image there are: each size, as it is and, where asked for, mirrored."""

    flip: bool = False
    """Whether each size is also looked at mirrored, left for right."""
    factors: tuple[float, ...] = ()
    """What the size is multiplied by, beside 1, ascending."""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Views:
        """Read `flip`, `0.75x` and others, in words of their own or with commas between them.

        Raises InputError for other words, for sizes out of range, and for what is there twice or not at all.
        """
        flip, factors = False, list[float]()
        for word in (part for given in words for part in re.split(r"[,\s]+", given) if part):
            number = re.fullmatch(r"(\d*\.?\d+)x", word)
            if number is None and word != "flip":
                raise InputError(f"--tta {word!r} is not understood; give flip, factors such as 0.75x, or both.")
            factor = float(number[1]) if number is not None else None
            if factor is not None and not 0 < factor <= LARGEST_FACTOR:
                raise InputError(f"--tta {word!r} is out of range; give factors above 0 and up to {LARGEST_FACTOR}.")
            if factor == 1:
                raise InputError(f"--tta {word!r} would count the image's own size twice; leave it out.")
            if factor in factors or (factor is None and flip):
                raise InputError(f"--tta {word!r} is there twice; give each view once.")
            if factor is None:
                flip = True
            else:
                factors.append(factor)
        if not flip and not factors:
            raise InputError("--tta names no view; give flip, factors such as 0.75x, or both.")
        return cls(flip, tuple(sorted(factors)))

    def __str__(self) -> str:
        return ", ".join([*(["flip"] if self.flip else []), *map(_factor_text, self.factors)])

    def __len__(self) -> int:
        return (1 + self.flip) * (1 + len(self.factors))

    def of(self, segmenter: Segmenter) -> list[View]:
        """Return the views of a segmenter, that of the image as it is first.

        Raises InputError where images enter it at their own size alone, and there are other sizes.
        """
        orientations = (False, True) if self.flip else (False,)
        return [View(segmenter, factor, mirrored) for factor in (1.0, *self.factors) for mirrored in orientations]


class View:
    """A segmenter of images at another size, or of mirrored ones: then its maps are of the mirrored image, too.

    What is said of it otherwise is said of the segmenter that it is a view of.
    """

    def __init__(self, segmenter: Segmenter, factor: float = 1.0, mirrored: bool = False) -> None:
        """Take a segmenter; raises InputError for a factor other than 1 where it cannot be scaled."""
        self.factor, self.mirrored = factor, mirrored
        self._plain = segmenter
        self._scaled = _scaled(segmenter, factor)
        self._shared: SharedSegmenter | None = None

    def __str__(self) -> str:
        return _factor_text(self.factor) + " mirrored" * self.mirrored

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, or numbers that stand in for them, in the order of the logits."""
        return self._plain.classes

    @property
    def has_class_names(self) -> bool:
        """Whether these are names."""
        return self._plain.has_class_names

    @property
    def input_size(self) -> InputSize:
        """At which size the view enters the network, unless a protocol says otherwise."""
        return self._scaled.input_size

    @property
    def device(self) -> torch.device:
        """Where the network runs, and its maps lie."""
        return self._plain.device

    @property
    def provides(self) -> frozenset[str]:
        """Which fields of `Prediction` are filled."""
        return self._scaled.provides

    @property
    def fits(self) -> Mapping[str, FitRecord]:
        """What mixtures in the network were fitted on after training, by the field of `Prediction`."""
        return self._plain.fits

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8; of a mirrored view, maps are those of the mirrored image."""
        if self._shared is not None:
            return self._shared(image)
        # A copy, as torch takes no array that runs backwards.
        shown = image[:, ::-1].copy() if self.mirrored else image
        try:
            return self._scaled(shown)
        except InputError as error:
            if self.factor == 1:
                raise
            view = _factor_text(self.factor)
            raise InputError(f"in the view {view} of --tta, which may be left out, {error}") from error

    def shared(self) -> View:
        """Return the same view, which with all that is made of it runs once an image; see `SharedSegmenter`."""
        other = copy.copy(self)
        other._shared = SharedSegmenter(self)
        return other

    def with_outputs(self, fields: Collection[str]) -> View:
        """Return the same view, which fills only these fields of `Prediction`, and that of the classes."""
        other = copy.copy(self)
        other._scaled = self._scaled.with_outputs(fields)
        other._shared = self._shared.with_outputs(fields) if self._shared is not None else None
        return other

    def with_protocol(self, protocol: TestProtocol | None) -> View:
        """Return the same view under a test protocol; what it is scaled by multiplies the size that this gives."""
        other = copy.copy(self)
        other._plain, other._scaled = self._plain.with_protocol(protocol), self._scaled.with_protocol(protocol)
        other._shared = self._shared.with_protocol(protocol) if self._shared is not None else None
        return other

    def describe(self) -> ModelRecord:
        """Say which network this is, at its own size, and which view of it."""
        return record_of([self])

    @property
    def plain_record(self) -> ModelRecord:
        """Which network this is a view of."""
        return self._plain.describe()


def record_of(views: Sequence[View], of: MeanOf | None = None) -> ModelRecord:
    """Return the record of the mean of views, of one network or of several, those of each one after the other.

    of: what of several was averaged.
    """
    networks: list[tuple[ModelRecord, list[View]]] = []
    for view in views:
        record = view.plain_record
        # The same view again is of another network, even where nothing else tells it from the one before.
        if not networks or networks[-1][0] != record or _key(view) in map(_key, networks[-1][1]):
            networks.append((record, []))
        networks[-1][1].append(view)
    return mean_record([record.model_copy(update={"tta": _text(of_network)}) for record, of_network in networks], of)


def _text(views: Sequence[View]) -> str | None:
    """Name the views of one network as `Views` does, or one by one; None for the image as it is."""
    factors = sorted({view.factor for view in views} - {1.0})
    named = Views(any(view.mirrored for view in views), tuple(factors))
    if len(named) == len(views) and 1.0 in {view.factor for view in views}:
        return str(named) or None
    return f"only {', '.join(map(str, views))}"


def _key(view: View) -> tuple[float, bool]:
    return view.factor, view.mirrored


def _factor_text(factor: float) -> str:
    return f"{np.format_float_positional(factor, trim='-')}x"


def _scaled(segmenter: Segmenter, factor: float) -> Segmenter:
    if factor == 1:
        return segmenter
    if not isinstance(segmenter, Scalable):
        raise InputError(
            f"{segmenter.describe().checkpoint} takes images at their own size alone, so --tta {_factor_text(factor)} "
            f"cannot be had of it; give --tta flip alone."
        )
    return segmenter.scaled(factor)
