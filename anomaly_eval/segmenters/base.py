"""What a segmenter says of one image: the only thing that scores know of models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.segmenters.class_maps import LogProbabilities, QueryEvidence
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.linear_classifier import LinearClassifier


@dataclass(frozen=True)
class Prediction:
    """The output of a segmenter for one image; all maps stand for the same image size, float32. None is not there.

    logits: (classes, h, w), before any softmax. features: (dimensions, h, w), the input of the last classifier.
    log_density: (classes, h, w), log p(x|c) of a generative classifier before any normalisation over classes, the
    largest component standing for the class (GMMSeg, section 3.3). log_density_logsumexp: the same with the whole sum
    over components (Eq. 4). probabilities: (classes, h, w), of networks that end in a softmax. evidence: of mask
    classifiers, which have neither, the class evidence L_c(x), larger for a class that more queries claim.
    classifier: what the last layer makes of the features, where it is linear; features come with it.

    One of logits, probabilities and evidence is there.
    """

    logits: CoarseMaps | None = None
    features: CoarseMaps | None = None
    log_density: CoarseMaps | None = None
    log_density_logsumexp: CoarseMaps | None = None
    probabilities: LogProbabilities | None = None
    evidence: CoarseMaps | None = None
    classifier: LinearClassifier | None = None

    @property
    def class_maps(self) -> CoarseMaps:
        """What says most of the classes; the predicted one has the largest value."""
        found: list[CoarseMaps | None] = [getattr(self, name) for name in CLASS_OUTPUTS]
        return next(maps for maps in found if maps is not None)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.class_maps.size


CLASS_OUTPUTS = ("logits", "probabilities", "evidence")
"""The fields of `Prediction` that say which class a pixel is of; the first that is there is looked at."""


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
        maps = getattr(prediction, field.name)
        # A sum is finite only if all terms are, and takes a fifth of the time of looking at each.
        finite = not isinstance(maps, CoarseMaps) or torch.isfinite(maps.values.sum())
        if isinstance(maps, QueryEvidence):
            finite = finite and torch.isfinite(maps.classes.sum())
        if not finite:
            raise InputError(f"the network gave NaN or infinite values for {image}; check its weights.")


@runtime_checkable
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
        """Return the same network, which fills only these fields of `Prediction`, and that of the classes."""

    def with_protocol(self, protocol: TestProtocol | None) -> Segmenter:
        """Return the same network under the test protocol of a closed-set dataset, None being the network's own."""

    def describe(self) -> ModelRecord:
        """Say which network this is, with which weights and at which resolution."""
