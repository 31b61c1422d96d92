"""Weights of the authors' own GMMSeg code, under the names that they have here.

It was written for mmsegmentation 0.x, whose backbones and heads have the same names for their weights in 1.x; only what
GMMSeg adds to a head is called otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gmmseg.errors import InputError

_RENAMED = {
    "projection.": "conv_seg.projection.",
    "feat_norm.": "conv_seg.layer_norm.",
    "mask_norm.": "conv_seg.class_norm.",
}
_TRANSLATED = ("means", "diagonal", "iteration_counter")
_DROPPED = ("queue", "queue_ptr", "eye_matrix", "conv_seg.weight", "conv_seg.bias")
"""The memory, which only training needs; an identity matrix, and a classifier that is never called."""


@dataclass(frozen=True)
class OfficialHead:
    """A head of the official code among the weights of a network."""

    weights: Mapping[str, Tensor]
    prefix: str
    """Of its names, as in `decode_head.`."""

    @classmethod
    def find(cls, weights: Mapping[str, Tensor]) -> OfficialHead | None:
        """Return the head whose mixtures are called as in the official code; None where there is none.

        Raises InputError for mixtures of other shapes, and for deviations that are not positive.
        """
        for name in weights:
            prefix, _, last = name.rpartition("means")
            if last or not prefix.endswith(".") or f"{prefix}diagonal" not in weights:
                continue
            means, deviations = weights[name], weights[f"{prefix}diagonal"]
            if means.dim() != 3 or means.shape != deviations.shape or not means.numel():
                raise InputError(
                    f"{name} has the shape {tuple(means.shape)} and {prefix}diagonal {tuple(deviations.shape)}; both "
                    f"must be (classes, components, dimensions), as the official GMMSeg saves them."
                )
            if not bool((deviations > 0).all() & torch.isfinite(deviations).all()):
                raise InputError(f"{prefix}diagonal holds deviations that are not positive; copy the checkpoint anew.")
            return cls(weights, prefix)
        return None

    @property
    def _means(self) -> Tensor:
        return self.weights[f"{self.prefix}means"]

    @property
    def mixture(self) -> dict[str, Any]:
        """The `mixture` of a config of this head."""
        _, components, dimensions = self._means.shape
        mixture: dict[str, Any] = {"preset": "official", "components": components, "dimensions": dimensions}
        # Where features have as many channels as the embedding, the official code leaves the projection out.
        return mixture if self._projection is not None else mixture | {"projection": "none"}

    @property
    def channels(self) -> int:
        """The channels of the features, which configs of the official code set."""
        return int(self._means.shape[2] if self._projection is None else self._projection.shape[1])

    @property
    def _projection(self) -> Tensor | None:
        found = self.weights.get(f"{self.prefix}projection.conv.weight")
        return found if found is not None and found.dim() == 4 else None

    def renamed(self) -> dict[str, Tensor]:
        """Return all weights of the network under our names, those of the head as those of a `GMMSegHead`."""
        found = {name: value for name, value in self.weights.items() if not name.startswith(self.prefix)}
        for name, value in self.weights.items():
            own = name.removeprefix(self.prefix)
            if own == name or own in _DROPPED or own in _TRANSLATED:
                continue
            start = next((start for start in _RENAMED if own.startswith(start)), "")
            found[f"{self.prefix}{_RENAMED.get(start, '')}{own.removeprefix(start)}"] = value
        return found | {f"{self.prefix}conv_seg.{name}": value for name, value in self._translated().items()}

    def _translated(self) -> dict[str, Tensor]:
        """Return the mixtures. The official code normalises means in each forward, and has components of equal weight.

        Its classes all count as known: it does not say which had a pixel.
        """
        shape = self._means.shape[:2]
        counter = self.weights.get(f"{self.prefix}iteration_counter", torch.zeros(1))
        return {
            "mixtures.means": normalize(self._means.float(), dim=2),
            "mixtures.log_deviations": self.weights[f"{self.prefix}diagonal"].float().log(),
            "mixtures.weights": torch.full(shape, 1 / shape[1]),
            "mixtures.updates": torch.ones(shape, dtype=torch.int64),
            "iteration": counter.flatten()[:1].sum().long(),
        }
