"""The mixtures of all classes as a module: parameters, and class log densities of feature maps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gmmseg.density import ClassDensity, class_log_density, component_log_density_maps
from gmmseg.estimation import Mixtures
from gmmseg.full_covariance import FullMixtures, full_log_density, whitening_of

_LARGEST_CONDITION = 50.0
"""Ratio of the largest to the smallest deviation of a Gaussian up to which float32 keeps its log densities to 1e-3."""


class ClassMixtures(nn.Module):
    """C mixtures of M Gaussians with diagonal covariance in D dimensions (Eq. 4).

    Parameters are fitted by EM and receive no gradient, unless `trainable`. Means start as random directions of length
    one, deviations at 1, weights equal, as in the official code. `updates` (C, M) counts the M-steps of each component.
    A class that never had a pixel is not known: its log density is one nat below the lowest of the known classes, so
    that it is never predicted and, being as wide as it started, does not claim what is far from all classes.
    `variance_floor` bounds the variances that an optimiser fits.
    """

    means: Tensor
    log_deviations: Tensor
    weights: Tensor
    updates: Tensor

    def __init__(
        self,
        classes: int,
        components: int,
        dimensions: int,
        kind: ClassDensity = "max",
        *,
        trainable: bool = False,
        variance_floor: float = 1e-12,
    ) -> None:
        super().__init__()
        self.variance_floor = variance_floor
        self.classes, self.components, self.dimensions, self.kind = classes, components, dimensions, kind
        means = nn.init.trunc_normal_(torch.empty(classes, components, dimensions), std=0.02)
        means = nn.functional.normalize(means, dim=2)
        # Logarithms keep deviations positive whatever an optimiser does.
        log_deviations = torch.zeros_like(means)
        if trainable:
            self.means, self.log_deviations = nn.Parameter(means), nn.Parameter(log_deviations)
        else:
            self.register_buffer("means", means)
            self.register_buffer("log_deviations", log_deviations)
        self.register_buffer("weights", torch.full((classes, components), 1 / components))
        self.register_buffer("updates", torch.full((classes, components), int(trainable)))
        self._all_known = trainable
        self.register_load_state_dict_post_hook(_look_again)  # type: ignore[no-untyped-call]

    @property
    def deviations(self) -> Tensor:
        """(C, M, D): square roots of the variances."""
        return self.log_deviations.clamp(min=0.5 * math.log(self.variance_floor)).exp()

    @property
    def known(self) -> Tensor:
        """(C,) bool: classes that had a pixel."""
        return self.updates.any(dim=1)

    def snapshot(self) -> Mixtures:
        """Return the parameters as they are, without gradient."""
        return Mixtures(self.means.detach(), self.deviations.detach(), self.weights)

    @torch.no_grad()
    def replace(self, mixtures: Mixtures) -> None:
        """Take new parameters, cast to float32."""
        self.means.copy_(mixtures.means)
        self.log_deviations.copy_(mixtures.deviations.log())
        self.weights.copy_(mixtures.weights)

    def forward(self, features: Tensor) -> Tensor:
        """Return log pi + log p(x | c, m) of feature maps (B, D, h, w) as (B, C, M, h, w) float32."""
        joint = component_log_density_maps(
            features, self.means.flatten(0, 1), self.deviations.flatten(0, 1), self.weights.flatten().log()
        )
        return joint.reshape(len(joint), self.classes, self.components, *joint.shape[2:])

    def class_log_density(self, joint: Tensor, kind: ClassDensity | None = None) -> Tensor:
        """Reduce what a forward returned to log p(x | c), (B, C, h, w) float32."""
        density = class_log_density(joint, kind or self.kind, dim=2)
        if self._all_known:
            return density
        known = self.known
        self._all_known = bool(known.all())
        if self._all_known or not bool(known.any()):
            return density
        lowest = density[:, known].amin(dim=1, keepdim=True).detach() - 1
        return torch.where(known[:, None, None], density, lowest)


class FullClassMixtures(ClassMixtures):
    """The same with a whole covariance matrix for each Gaussian.

    `whitening` (C, M, D, D) float32 holds the inverse lower Cholesky factors of the covariances, `log_deviations` the
    logarithms of the roots of their diagonals.
    """

    whitening: Tensor

    def __init__(self, classes: int, components: int, dimensions: int, kind: ClassDensity = "max") -> None:
        super().__init__(classes, components, dimensions, kind)
        self.register_buffer("whitening", torch.eye(dimensions).repeat(classes, components, 1, 1))
        self._flattest: float | None = None

    def _well_conditioned(self) -> bool:
        """Whether no Gaussian is so flat that float32 would lose its log densities; looked at once after loading.

        Those that are trained are not: the floor of their variances sees to it.
        """
        if self._flattest is None:
            self._flattest = float(torch.linalg.cond(self.whitening).max())
        return self._flattest <= _LARGEST_CONDITION

    @torch.no_grad()
    def replace_full(self, mixtures: FullMixtures) -> None:
        """Take new parameters, cast to float32. Raises ValueError for a covariance that is not positive definite."""
        deviations = mixtures.covariances.diagonal(dim1=2, dim2=3).sqrt()
        self.replace(Mixtures(mixtures.means, deviations, mixtures.weights))
        self.whitening.copy_(whitening_of(mixtures.covariances))
        self._flattest = None

    def forward(self, features: Tensor) -> Tensor:
        batch, _, height, width = features.shape
        pixels = features.permute(0, 2, 3, 1).flatten(0, 2)
        with torch.autocast(features.device.type, enabled=False):
            joint = full_log_density(
                pixels,
                # Copies: EM writes into these before the gradient is taken.
                self.means.flatten(0, 1).clone(),
                self.whitening.flatten(0, 1).clone(),
                self.weights.flatten().log(),
                torch.float32 if self.training or self._well_conditioned() else torch.float64,
            )
        joint = joint.float().reshape(batch, height, width, self.classes, self.components)
        return joint.permute(0, 3, 4, 1, 2).contiguous()


def _look_again(module: ClassMixtures, _: Any) -> None:
    """Loaded parameters may know other classes, and have other shapes."""
    module._all_known = False
    if isinstance(module, FullClassMixtures):
        module._flattest = None
