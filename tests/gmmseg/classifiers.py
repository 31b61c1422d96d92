"""Small GMM classifiers for tests, batches to train them on, and what they should say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gmmseg.classifier import GMMClassifier
from gmmseg.settings import MixtureSettings

CHANNELS, CLASSES = 8, 3


def classifier(seed: int = 0, dropout: float = 0.0, classes: int = CLASSES, **settings: Any) -> GMMClassifier:
    torch.manual_seed(seed)
    whole = {"components": 2, "dimensions": 4, "memory_size": 60, "pixels_per_class_and_image": 30, **settings}
    if whole.get("preset") == "official":
        whole["pixels_per_class_and_image"] = None
    return GMMClassifier(CHANNELS, classes, MixtureSettings.from_config(whole), dropout=dropout)


def batch(seed: int = 0, classes: tuple[int, ...] = (0, 1, 2)) -> tuple[Tensor, Tensor]:
    """Return features (2, 8, 6, 8) that the classes move apart, and labels (2, 12, 16) with an ignored border."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor(classes)[torch.randint(len(classes), (2, 6, 8), generator=generator)]
    centres = 2 * torch.randn(CLASSES, CHANNELS, generator=torch.Generator().manual_seed(99))
    features = centres[labels].permute(0, 3, 1, 2) + 0.5 * torch.randn(2, CHANNELS, 6, 8, generator=generator)
    labels = labels.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    labels[:, :2] = 255
    return features, labels


def train(model: GMMClassifier, steps: int, start: int = 0, classes: tuple[int, ...] = (0, 1, 2)) -> None:
    model.train()
    for step in range(start, start + steps):
        features, labels = batch(step, classes)
        model(features)
        model.learn(labels)


def reference_density(model: GMMClassifier, embedded: Tensor) -> Tensor:
    """Return (B, C, M, h, w) float64: log pi + log p from torch.distributions."""
    means, deviations, weights = (value.double() for value in model.mixtures.snapshot())
    pixels = embedded.permute(0, 2, 3, 1).double()[..., None, None, :]
    joint = torch.distributions.Normal(means, deviations).log_prob(pixels).sum(dim=-1) + weights.log()
    return joint.permute(0, 3, 4, 1, 2)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels[:, ::2, ::2], ignore_index=255)
