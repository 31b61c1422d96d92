"""Densities of Gaussian mixtures with diagonal covariance, one mixture a class (GMMSeg, NeurIPS 2022, Eqs. 3 and 4).

All in log space and in float32 or better, also under autocast: at 64 dimensions and deviations of 0.1 a log density
reaches +88, and its exponential overflows float32.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

ClassDensity = Literal["max", "logsumexp"]

_LARGEST_SPREAD = 256.0
"""Squared distance of a mean from the centre, in deviations, up to which float32 keeps a log density to 1e-4."""
_PARTS = 2
"""Products that a log density is added up from: one long sum would round to 2e-4."""


class QuadraticForm(NamedTuple):
    """log N(x; mu, diag sigma^2) = weight . [y1^2, y1, y2^2, y2, ...] + bias with y = x - centre, for K Gaussians.

    weight: (K, 2 D), bias: (K,), centre: (D,), all of one dtype: float64 where float32 would cancel.
    """

    weight: Tensor
    bias: Tensor
    centre: Tensor


def quadratic_form(means: Tensor, deviations: Tensor, log_weights: Tensor | None = None) -> QuadraticForm:
    """Expand the square of K Gaussians, so that the densities of many pixels are one matrix product.

    means, deviations: (K, D). log_weights: (K,), added to the log densities, or None. The expansion subtracts numbers
    of the size of (distance to the centre / deviation)^2, so the centre of the means is taken out first, and where that
    leaves too much for float32 the form is float64.
    """
    means, deviations = means.double(), deviations.double()
    # Rounded, because features are shifted by it in float32.
    centre = means.mean(dim=0).float().double()
    precision = deviations.square().reciprocal()
    offset = means - centre
    spread = (offset.square() * precision).sum(dim=1)
    weight = torch.stack([-0.5 * precision, offset * precision], dim=2).flatten(1)
    bias = -0.5 * spread - deviations.log().sum(dim=1) - 0.5 * means.shape[1] * math.log(2 * math.pi)
    if log_weights is not None:
        bias = bias + log_weights.double()
    # A program may have allowed products of less than float32 (TensorFloat-32).
    exact = torch.get_float32_matmul_precision() == "highest" and float(spread.detach().max()) <= _LARGEST_SPREAD
    dtype = torch.float32 if exact else torch.float64
    return QuadraticForm(weight.to(dtype), bias.to(dtype), centre.to(dtype))


def component_log_density(
    features: Tensor, means: Tensor, deviations: Tensor, log_weights: Tensor | None = None
) -> Tensor:
    """Return log p(x | component), or log pi + log p with `log_weights`, as (N, K) float32 for features (N, D).

    means, deviations: (K, D); log_weights: (K,). Differentiable in everything that requires a gradient.
    """
    with torch.autocast(features.device.type, enabled=False):
        weight, bias, centre = quadratic_form(means, deviations, log_weights)
        shifted = features.to(weight.dtype) - centre
        expanded = torch.stack([shifted.square(), shifted], dim=2).flatten(1)
        first, *rest = zip(expanded.chunk(_PARTS, dim=1), weight.t().chunk(_PARTS, dim=0), strict=True)
        densities = torch.addmm(bias, *first)
        for factors in rest:
            densities.addmm_(*factors)
        return densities.float()


def component_log_density_maps(
    features: Tensor, means: Tensor, deviations: Tensor, log_weights: Tensor | None = None
) -> Tensor:
    """Return the same for maps of features (B, D, h, w), as (B, K, h, w) float32, without moving the channels."""
    with torch.autocast(features.device.type, enabled=False):
        weight, bias, centre = quadratic_form(means, deviations, log_weights)
        shifted = features.flatten(2).to(weight.dtype) - centre[:, None]
        expanded = torch.stack([shifted.square(), shifted], dim=2).flatten(1, 2)
        many = weight.expand(len(expanded), -1, -1)
        first, *rest = zip(many.chunk(_PARTS, dim=2), expanded.chunk(_PARTS, dim=1), strict=True)
        densities = torch.baddbmm(bias[:, None], *first)
        for factors in rest:
            densities.baddbmm_(*factors)
        densities = densities.float()
        return densities.reshape(*densities.shape[:2], *features.shape[2:])


def class_log_density(components: Tensor, kind: ClassDensity = "max", dim: int = -1) -> Tensor:
    """Reduce log pi + log p(x | c, m) over the components, which lie along `dim`, to log p(x | c).

    `max` lets the largest term stand for the sum (winner-take-all, section 3.3); `logsumexp` is Eq. 4 itself. With
    weights that sum to one, max <= logsumexp <= max + log M.
    """
    if kind == "max":
        return components.amax(dim=dim)
    if kind == "logsumexp":
        return components.logsumexp(dim=dim)
    raise ValueError(f"there is no class density {kind!r}; give 'max' or 'logsumexp'")


def class_log_posterior(log_density: Tensor, log_prior: Tensor | None = None, dim: int = -1) -> Tensor:
    """Return log p(c | x) from log p(x | c) by Bayes' rule (Eq. 3); classes lie along `dim`.

    log_prior: (C,), need not be normalised; None is the uniform prior of the paper.
    """
    if log_prior is not None:
        shape = [1] * log_density.dim()
        shape[dim] = -1
        log_density = log_density + log_prior.reshape(shape)
    return log_density.log_softmax(dim=dim)
