"""An even sample of the pixels of each class over a whole dataset, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor


class ClassReservoir:
    """Keeps at most `limit` of the pixels that were added of each class, each with the same chance."""

    def __init__(self, classes: int, limit: int, seed: int = 0) -> None:
        self.classes, self.limit = classes, limit
        self._generator = torch.Generator().manual_seed(seed)
        self._features: list[list[Tensor]] = [[] for _ in range(classes)]
        self._keys: list[list[Tensor]] = [[] for _ in range(classes)]

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Offer features (N, D) of classes `labels` (N,) int64."""
        keys = torch.rand(len(labels), generator=self._generator, dtype=torch.float64)
        for label in torch.bincount(labels).nonzero().flatten().tolist():
            own = labels == label
            self._features[label].append(features[own].cpu())
            self._keys[label].append(keys[own.cpu()])
            if sum(map(len, self._keys[label])) > 2 * self.limit:
                self._thin(label)

    def result(self) -> tuple[Tensor, Tensor]:
        """Return the sample: features (N, D) and labels (N,) int64, by class. Raises ValueError if it is empty."""
        for label in range(self.classes):
            self._thin(label)
        features = [part for parts in self._features for part in parts]
        if not features:
            raise ValueError("no labelled pixel was found")
        counts = torch.tensor([sum(map(len, parts)) for parts in self._features])
        return torch.cat(features), torch.arange(self.classes).repeat_interleave(counts)

    def _thin(self, label: int) -> None:
        """Keep the pixels with the smallest keys."""
        if self._keys[label]:
            keys, features = torch.cat(self._keys[label]), torch.cat(self._features[label])
            kept = keys.argsort()[: self.limit].sort().values
            self._keys[label], self._features[label] = [keys[kept]], [features[kept]]
