"""A Gaussian with full covariance for each class, over the embedding before it is normalised."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmmseg.memory import FeatureMemory

_LEAST_SHARE = 1e-5
"""Smallest variance of a dimension, as a share of the mean one of its class; the embedding has no scale of its own."""
_PIXELS_AT_ONCE = 1024
"""So few that what is made of them stays in the processor's cache."""


class FullGaussians(nn.Module):
    """One Gaussian with full covariance for each of C classes, fitted to pixels in a memory.

    Training and posterior do not see it. `centres` (C, D), `whitening` (C, D, D), the inverse of the covariance's
    Cholesky factor, and `log_scale` (C,). A class with fewer than two pixels has a log scale of minus infinity.
    """

    centres: Tensor
    whitening: Tensor
    log_scale: Tensor

    def __init__(self, classes: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(classes, dimensions))
        self.register_buffer("whitening", torch.eye(dimensions).repeat(classes, 1, 1))
        self.register_buffer("log_scale", torch.full((classes,), -torch.inf))

    @torch.no_grad()
    def fit(self, memory: FeatureMemory) -> None:
        """Take what the memory holds of each class; where it holds nothing at all, everything stays as it is."""
        if not bool(memory.fill.any()):
            return
        for label in range(len(self.centres)):
            features = memory.features(label).to(self.centres.device)
            if len(features) < 2:
                self.log_scale[label] = -torch.inf
                continue
            centre, covariance = full_gaussian(features)
            factor = torch.linalg.cholesky(covariance)
            identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
            self.centres[label] = centre
            self.whitening[label] = torch.linalg.solve_triangular(factor, identity, upper=False)
            self.log_scale[label] = -factor.diagonal().log().sum() - 0.5 * len(factor) * math.log(2 * math.pi)

    def forward(self, embedded: Tensor) -> Tensor:
        """Return log p(x | c) of maps (B, D, h, w), as (B, C, h, w) float32.

        A class without a Gaussian lies one nat below the lowest of the others, so that it is never the likeliest;
        where no class has one, all are zero.
        """
        with torch.autocast(embedded.device.type, enabled=False):
            pixels = embedded.float().flatten(2)
            parts = [self._log_density(part) for part in torch.split(pixels, _PIXELS_AT_ONCE, dim=2)]
            density = torch.cat(parts, dim=2).reshape(len(pixels), -1, *embedded.shape[2:])
        known = self.log_scale.isfinite()
        if not bool(known.any()):
            return torch.zeros_like(density)
        lowest = density[:, known].amin(dim=1, keepdim=True) - 1
        return torch.where(known[:, None, None], density, lowest)

    def _log_density(self, pixels: Tensor) -> Tensor:
        """Return log p(x | c) of pixels (B, D, N), as (B, C, N)."""
        densities = []
        for centre, whitening, offset in zip(self.centres, self.whitening, self.log_scale, strict=True):
            # The centre goes first: what is left is small, and the product keeps its digits.
            white = whitening @ (pixels - centre[:, None])
            densities.append(offset - 0.5 * white.square().sum(dim=1))
        return torch.stack(densities, dim=1)


def full_gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (D,) and covariance (D, D), float64, of features (N, D), two or more.

    The covariance between dimensions is shrunk by N / (N + D), as few pixels make some up, and no variance is below
    1e-5 of the mean one; so it can always be inverted.
    """
    values = features.double()
    centre = values.mean(dim=0)
    offsets = values - centre
    covariance = offsets.T @ offsets / len(values)
    spread = covariance.diagonal()
    variances = spread.clamp(min=max(_LEAST_SHARE * float(spread.mean()), 1e-12))
    shrunk = covariance * (len(values) / (len(values) + len(centre)))
    return centre, shrunk - shrunk.diagonal().diag() + variances.diag()
