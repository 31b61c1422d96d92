"""The mean of the class probabilities of several networks, or of several views of one."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.segmenters.base import Prediction, Segmenter
from anomaly_eval.segmenters.class_maps import LogProbabilities
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.views import View, record_of
from gmmseg.class_names import plain_name
from gmmseg.denormals import flushed_denormals


class MeanProbabilities:
    """A segmenter that gives the mean of its members' probabilities at each pixel of the image, and nothing else.

    Those of a member are the softmax of its class maps after these are resized to the image, as mmsegmentation's
    `SegTTAModel` has it; of a network of probabilities, these themselves. Members run one after the other, and add to
    one stack of classes (classes, height, width), band by band.
    """

    provides = frozenset({"probabilities"})

    def __init__(self, members: Sequence[Segmenter]) -> None:
        """Take networks or views of them, each of equal weight; maps of mirrored views are mirrored back.

        Raises InputError where classes differ, naming the first one and the networks, and for mask classifiers.
        """
        self._members = as_views(members)
        check_same_classes(self._members)
        for member in self._members:
            if not gives_probabilities(member):
                raise InputError(
                    f"{member.plain_record.checkpoint} is a mask classifier: its class evidence is no probability, so "
                    f"there is no mean of it; leave it out."
                )
        self._members = [member.with_outputs(()) for member in self._members]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, or numbers that stand in for them, in the order of the probabilities."""
        return _named(self._members).classes

    @property
    def has_class_names(self) -> bool:
        """Whether these are names; members that have none are taken to have the others'."""
        return _named(self._members).has_class_names

    @property
    def input_size(self) -> InputSize:
        """At which size images enter the first member, unless a protocol says otherwise."""
        return self._members[0].input_size

    @property
    def device(self) -> torch.device:
        """Where the first member runs, and the mean lies."""
        return self._members[0].device

    @property
    def fits(self) -> Mapping[str, FitRecord]:
        """What mixtures were fitted on whose probabilities these are; of several, those of the first member."""
        names = ("logits", "probabilities")
        return {name: fit for one in reversed(self._members) for name, fit in one.fits.items() if name in names}

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8."""
        mean = ProbabilityMean()
        with torch.inference_mode():
            for member in self._members:
                # Its maps are freed before the next member runs.
                mean.add(member(image).class_maps, mirrored=member.mirrored)
            return Prediction(probabilities=mean.result())

    def with_outputs(self, fields: Collection[str]) -> MeanProbabilities:
        """Return the same; there are no maps to leave out."""
        return self

    def with_protocol(self, protocol: TestProtocol | None) -> MeanProbabilities:
        """Return the mean of the members under a test protocol."""
        other = copy.copy(self)
        other._members = [member.with_protocol(protocol) for member in self._members]
        return other

    def describe(self) -> ModelRecord:
        """Say which networks these are, and which views of them."""
        return record_of(self._members, of="probabilities")


class ProbabilityMean:
    """Averages the probabilities of class maps at the pixels of the image, in one stack (classes, height, width).

    float32 does: adding n terms that are all positive loses at most n / 2^24 of their sum, a millionth for a dozen of
    views, of small probabilities too; what is below 1e-38 counts as 0. Next to 1 it is as fine as a softmax is.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count = 0

    def add(self, maps: CoarseMaps, *, mirrored: bool) -> None:
        """Add what class maps of the whole image say: logits by their softmax; `mirrored` ones are mirrored back."""
        if self._total is None:
            self._total = maps.values.new_zeros(maps.channels, *maps.size)
        with flushed_denormals():
            for rows, values in maps.bands():
                probabilities = values.softmax(dim=0)
                self._total[:, rows] += (probabilities.flip(2) if mirrored else probabilities).to(self._total.device)
        self._count += 1

    def result(self) -> LogProbabilities:
        """Return the mean, at the size of the image; nothing can be added after that."""
        if self._total is None:
            raise ValueError("nothing was added")
        total = self._total.div_(self._count)
        return LogProbabilities.covering(total, (total.shape[1], total.shape[2]))


def as_views(members: Sequence[Segmenter]) -> list[View]:
    """Return segmenters as views, of the image as it is where they are no views; raises ValueError for none."""
    if not members:
        raise ValueError("there is nothing to average")
    return [member if isinstance(member, View) else View(member) for member in members]


def gives_probabilities(segmenter: Segmenter) -> bool:
    """Whether a segmenter says with which probability a pixel is of a class: mask classifiers do not."""
    return bool({"logits", "probabilities"} & segmenter.provides)


def check_same_classes(members: Sequence[View]) -> None:
    """Raise InputError for views of networks with other classes, or with the same in another order.

    Case, spaces and underscores make no difference; numbers that stand in for names are not compared.
    """
    first = _named(members)
    for member in members:
        pairs = enumerate(zip(first.classes, member.classes, strict=False))
        differing = [pair for pair in pairs if plain_name(pair[1][0]) != plain_name(pair[1][1])]
        compared = differing if member.has_class_names and first.has_class_names else []
        if not compared and len(first.classes) == len(member.classes):
            continue
        names = first.plain_record.checkpoint, member.plain_record.checkpoint
        if compared:
            index, (ours, theirs) = compared[0]
            difference = f"class {index} is {ours!r} in {names[0]} and {theirs!r} in {names[1]}"
        else:
            difference = f"{names[0]} has {len(first.classes)} and {names[1]} {len(member.classes)}"
        raise InputError(
            f"only networks of the same classes in the same order can be averaged, but {difference}; leave one of them "
            f"out, or choose outputs with --known-classes."
        )


def _named(members: Sequence[View]) -> View:
    """Return the first member that has names of its classes, or the first one."""
    return next((member for member in members if member.has_class_names), members[0])
