"""From class log densities to a calibrated posterior: the shares of the classes, and one temperature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_eval.metrics.temperature import fit_temperature
from gmmseg.density import ClassDensity, class_log_density, component_log_density
from gmmseg.estimation import Mixtures
from gmmseg.full_covariance import FullMixtures, full_log_density, whitening_of

_PIXELS_PER_IMAGE = 500


@dataclass(frozen=True)
class Posterior:
    """p(c | x) is the softmax of log p(x | c) / temperature + log share of c (Eq. 3 with a prior and a temperature)."""

    temperature: float
    class_pixels: Tensor
    """(C,) float64: labelled pixels of each class."""


class PosteriorSample:
    """Pixels as often as they occur, other than those that mixtures are fitted to."""

    def __init__(self, classes: int, seed: int = 0) -> None:
        """Start empty; the seed is that of the draws."""
        self._counts = torch.zeros(classes, dtype=torch.float64)
        self._generator = torch.Generator().manual_seed(seed)
        self._features: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add an image: features (N, D), labels (N,) int64 on the CPU, negative where there is none."""
        labelled = torch.nonzero(labels >= 0).flatten()
        self._counts += torch.bincount(labels[labelled], minlength=len(self._counts))
        drawn = labelled[torch.randperm(len(labelled), generator=self._generator)[:_PIXELS_PER_IMAGE]]
        self._features.append(features[drawn.to(features.device)].cpu())
        self._labels.append(labels[drawn])

    def fit(self, mixtures: Mixtures | FullMixtures, known: Tensor, kind: ClassDensity) -> Posterior:
        """Return the posterior of mixtures over the same features.

        known: (C,) bool, classes that have any pixel; kind: what stands for the density of a class.
        """
        features, labels = torch.cat(self._features), torch.cat(self._labels)
        flat, log_weights = mixtures.means.flatten(0, 1), mixtures.weights.flatten().log()
        if isinstance(mixtures, FullMixtures):
            joint = full_log_density(features, flat, whitening_of(mixtures.covariances).flatten(0, 1), log_weights)
        else:
            joint = component_log_density(features.float(), flat, mixtures.deviations.flatten(0, 1), log_weights)
        densities = class_log_density(joint.reshape(len(joint), *mixtures.weights.shape), kind)[:, known]
        shares = (self._counts[known] / self._counts.sum()).log()
        position = known.long().cumsum(0) - 1
        temperature = fit_temperature(densities.numpy(), position[labels].numpy(), shares.numpy())
        return Posterior(temperature, self._counts)
