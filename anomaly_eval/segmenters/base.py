"""What a segmenter says of one image: the only thing that scores know of models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.records import FitRecord, ModelRecord
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.input_size import InputSize


@dataclass(frozen=True)
class Prediction:
    """The output of a segmenter for one image; all maps stand for the same image size.

    logits: (classes, h, w) float32, before any softmax. features: (dimensions, h, w) float32, the input of the last
    classifier, or None where the network has none. log_density: (classes, h, w) float32, log p(x|c) of a generative
    classifier before any normalisation over classes, the largest component standing for the class (GMMSeg, section
    3.3), else None. log_density_logsumexp: the same with the whole sum over components (Eq. 4).
    """

    logits: CoarseMaps
    features: CoarseMaps | None = None
    log_density: CoarseMaps | None = None
    log_density_logsumexp: CoarseMaps | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.logits.size


ALL_OUTPUTS = frozenset(output.name for output in fields(Prediction))
"""What a network could provide."""


def predict(segmenter: Segmenter, image: NDArray[np.uint8], path: Path) -> Prediction:
    """Return the prediction of an image (height, width, 3); raises InputError, which names its file, without one.

    That is where the network cannot process it, and where it gives NaN or an infinity.
    """
    try:
        prediction = segmenter(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    _refuse_non_finite(prediction, path)
    return prediction


def _refuse_non_finite(prediction: Prediction, image: Path) -> None:
    """Raise InputError where a map of the prediction holds NaN or an infinity; `image` is named."""
    for field in fields(prediction):
        maps: CoarseMaps | None = getattr(prediction, field.name)
        # A sum is finite only if all terms are, and takes a fifth of the time of looking at each.
        if maps is not None and not torch.isfinite(maps.values.sum()):
            raise InputError(f"the network gave NaN or infinite values for {image}; check its weights.")


class Segmenter(Protocol):
    """Anything that turns an image into a `Prediction`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, or numbers that stand in for them, in the order of the logits."""

    @property
    def has_class_names(self) -> bool:
        """Whether these are names."""

    @property
    def input_size(self) -> InputSize:
        """At which size images enter the network, unless a protocol says otherwise."""

    @property
    def device(self) -> torch.device:
        """Where the network runs, and its maps lie."""

    @property
    def provides(self) -> frozenset[str]:
        """Which fields of `Prediction` are filled."""

    @property
    def fits(self) -> Mapping[str, FitRecord]:
        """What mixtures in the network were fitted on after training, by the field of `Prediction`; mostly empty."""

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8."""

    def with_outputs(self, fields: Collection[str]) -> Segmenter:
        """Return the same network, which fills only these fields of `Prediction`, and logits."""

    def with_protocol(self, protocol: TestProtocol | None) -> Segmenter:
        """Return the same network under the test protocol of a closed-set dataset, None being the network's own."""

    def describe(self) -> ModelRecord:
        """Say which network this is, with which weights and at which resolution."""
