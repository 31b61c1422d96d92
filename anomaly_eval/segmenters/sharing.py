"""A network that several look at, image by image, and that runs once for all of them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.segmenters.base import ALL_OUTPUTS, Prediction, Segmenter
from anomaly_eval.segmenters.input_size import InputSize


class SharedSegmenter:
    """A segmenter whose prediction of the last image is kept for others that ask for the same.

    Those are `with_outputs` and `with_protocol` of this one. All that any of them asked for is computed at once, so
    that it runs once an image where all are made before the first one. Images are told apart as objects: the content of
    one must stay as it is. To be used in one thread; what is kept is freed when the next image comes. Of views, each is
    shared by itself: see `View.shared`.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        """Take a segmenter that nobody else needs to run."""
        self._kept = _Kept(segmenter)
        self.provides = segmenter.provides

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, or numbers that stand in for them, in the order of the logits."""
        return self._kept.segmenter.classes

    @property
    def has_class_names(self) -> bool:
        """Whether these are names."""
        return self._kept.segmenter.has_class_names

    @property
    def input_size(self) -> InputSize:
        """At which size images enter the network, unless a protocol says otherwise."""
        return self._kept.segmenter.input_size

    @property
    def device(self) -> torch.device:
        """Where the network runs, and its maps lie."""
        return self._kept.segmenter.device

    @property
    def fits(self) -> Mapping[str, FitRecord]:
        """What mixtures in the network were fitted on after training, by the field of `Prediction`."""
        return self._kept.segmenter.fits

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8, unless that was done."""
        return self._kept.prediction(image, self.provides)

    def with_outputs(self, fields: Collection[str]) -> SharedSegmenter:
        """Return one that shares the network, and fills only these fields of `Prediction`, and that of the classes."""
        other = copy.copy(self)
        other.provides = self.provides & self._kept.segmenter.with_outputs(fields).provides
        self._kept.asked |= other.provides
        return other

    def with_protocol(self, protocol: TestProtocol | None) -> SharedSegmenter:
        """Return one that shares the network under a test protocol, whose predictions are other ones."""
        other = copy.copy(self)
        other._kept = self._kept.under(protocol)
        other.provides = other._kept.segmenter.provides
        return other

    def describe(self) -> ModelRecord:
        """Say which network this is, with which weights and at which resolution."""
        return self._kept.segmenter.describe()


@dataclass(frozen=True)
class _Seen:
    """An image, held so that no other takes its place in memory, and what the network said of it."""

    image: NDArray[np.uint8]
    fields: frozenset[str]
    prediction: Prediction


class _Kept:
    """One way to run a network, what was asked for of it so far, and its last prediction."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.asked: frozenset[str] = frozenset()
        self._last: _Seen | None = None
        self._under: dict[TestProtocol | None, _Kept] = {}

    def under(self, protocol: TestProtocol | None) -> _Kept:
        if protocol not in self._under:
            self._under[protocol] = _Kept(self.segmenter.with_protocol(protocol))
        return self._under[protocol]

    def prediction(self, image: NDArray[np.uint8], fields: frozenset[str]) -> Prediction:
        last = self._last
        if last is None or last.image is not image or not fields <= last.fields:
            self.asked |= fields
            self._last = last = None  # freed before the network needs memory
            last = _Seen(image, self.asked, self.segmenter.with_outputs(self.asked)(image))
            self._last = last
        return replace(last.prediction, **dict.fromkeys(ALL_OUTPUTS - fields))
