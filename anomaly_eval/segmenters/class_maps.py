"""What networks say of classes where it is no logit: probabilities, and the queries of mask classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from anomaly_eval.segmenters.coarse_maps import CoarseMaps

if TYPE_CHECKING:
    from typing_extensions import Self

_SMALLEST = torch.finfo(torch.float32).tiny
"""A probability that was rounded to 0 is read as this one."""


@dataclass(frozen=True)
class LogProbabilities(CoarseMaps):
    """Probabilities (classes, h, w), of which logarithms are read: their softmax gives the probabilities back."""

    def read(self, values: Tensor) -> Tensor:
        """Return log p; probabilities are interpolated before it."""
        return values.clamp(min=_SMALLEST).log()

    @property
    def unread(self) -> CoarseMaps:
        """The probabilities themselves, for what averages or interpolates them before their logarithms are read."""
        return CoarseMaps(self.values, self.size, self.extent, self.align_corners)


@dataclass(frozen=True)
class QueryEvidence(CoarseMaps):
    """The queries of a mask classifier, of which the evidence for classes is read: L_c(x) = sum_q p_q(c) m_q(x).

    values: mask logits (queries, h, w) float32; m_q is their sigmoid, taken after they are resized, as Mask2Former and
    RbA do. classes: p_q(c), (queries, classes) float32, the softmax of each query without the class for no object.

    The stack of queries, classes and pixels never exists, nor that of queries and pixels of the image.
    """

    classes: Tensor = field(kw_only=True)

    @property
    def channels(self) -> int:
        """How many classes there are."""
        return self.classes.shape[1]

    def read(self, values: Tensor) -> Tensor:
        """Return the evidence (classes, …) where mask logits (queries, …) are these."""
        evidence = self.classes.T @ values.sigmoid().flatten(1)
        return evidence.reshape(-1, *values.shape[1:])

    def chosen(self, channels: Sequence[int]) -> Self:
        """Return the same queries, whose evidence for only these classes is read."""
        return replace(self, classes=self.classes[:, list(channels)])
