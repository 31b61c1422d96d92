"""What some kinds of networks can do beyond turning images into maps; whoever needs it asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from anomaly_eval.results.origins import FitRecord
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.network import NetworkFacts
from gmmseg.settings import MixtureSettings


@runtime_checkable
class TakesMixtures(Protocol):
    """A network whose last layer can be looked at, and mixtures put in its place."""

    facts: NetworkFacts
    classifier: nn.Module | None
    """The last layer; its input is the features. None where there is no such layer."""

    def with_mixtures(self, settings: MixtureSettings, state: Mapping[str, Tensor], fit: FitRecord) -> bytes:
        """Return a checkpoint of the same network in which a `GMMClassifier` of this state is the last layer."""


@runtime_checkable
class Exportable(Protocol):
    """A network that can be written as one small file, which can be run without more."""

    def exported(self) -> bytes:
        """Return the content of the file, safetensors; raises InputError for weights that it cannot hold."""


@runtime_checkable
class Scalable(Protocol):
    """A segmenter whose images can be given another size."""

    def scaled(self, factor: float) -> Segmenter:
        """Return the same network with inputs of `factor` times the size, whichever rule or protocol gives that."""
