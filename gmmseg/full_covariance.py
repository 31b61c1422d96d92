"""Gaussians with a whole covariance matrix each: their density, and EM over a set of pixels (Eqs. 4 and 8)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gmmseg.assignment import responsibilities
from gmmseg.estimation import check_pixels, fit_mixtures


class FullMixtures(NamedTuple):
    """C mixtures of M Gaussians, float64: means (C, M, D), covariances (C, M, D, D), weights (C, M)."""

    means: Tensor
    covariances: Tensor
    weights: Tensor


def whitening_of(covariances: Tensor) -> Tensor:
    """Return the inverse lower Cholesky factors W (..., D, D), float64, of covariances: W C W^T is the identity.

    Raises ValueError where a covariance is not positive definite.
    """
    factors, failed = torch.linalg.cholesky_ex(covariances.double())
    if bool(failed.any()):
        raise ValueError("a covariance is not positive definite")
    identity = torch.eye(covariances.shape[-1], dtype=torch.float64, device=covariances.device)
    inverse: Tensor = torch.linalg.solve_triangular(factors, identity, upper=False)
    return inverse


def full_log_density(
    features: Tensor,
    means: Tensor,
    whitening: Tensor,
    log_weights: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return log p(x | component), or log pi + log p with `log_weights`, as (N, K) `dtype` for features (N, D).

    means: (K, D); whitening: (K, D, D), see `whitening_of`; log_weights: (K,). Differentiable in the features. In
    float64, as the smallest variances of a covariance may be a millionth of the largest; where a floor forbids that,
    float32 takes half the time.
    """
    features, means, whitening = features.to(dtype), means.to(dtype), whitening.to(dtype)
    # One component after the other: all at once would take K times the memory of the features.
    distances = [
        (features - mean).matmul(factor.T).square().sum(dim=1) for mean, factor in zip(means, whitening, strict=True)
    ]
    offset = whitening.diagonal(dim1=1, dim2=2).log().sum(dim=1) - 0.5 * means.shape[1] * math.log(2 * math.pi)
    return -0.5 * torch.stack(distances, dim=1) + (offset if log_weights is None else offset + log_weights.to(dtype))


def fit_full_mixtures(
    features: Tensor,
    labels: Tensor,
    classes: int,
    components: int,
    *,
    shrinkage: float = 0.0,
    variance_floor: float = 1e-6,
    iterations: int = 100,
    tolerance: float = 1e-3,
    generator: torch.Generator | None = None,
) -> tuple[FullMixtures, list[float]]:
    """Fit a mixture to each class by batch EM (Eq. 8), started from diagonal mixtures that are fitted first.

    features: (N, D), labels: (N,) int64 in [0, classes). Each covariance is mixed with the mean covariance of all
    components, which gets the share `shrinkage` in [0, 1]; `variance_floor` is added to its diagonal. Ends when the
    mean log-likelihood changes by less than `tolerance`. A class without pixels keeps zero means and unit covariances.
    Returns the mixtures and the mean log-likelihood before each step, nats a pixel. Raises ValueError for features that
    are not finite and for labels outside the classes.
    """
    check_pixels(features, labels, classes)
    features = features.double()
    start, _ = fit_mixtures(
        features,
        labels,
        classes,
        components,
        iterations=iterations,
        variance_floor=variance_floor,
        generator=generator,
    )
    mixtures = FullMixtures(start.means.double(), start.deviations.double().square().diag_embed(), start.weights)
    members = [features[labels == index] for index in range(classes)]
    history: list[float] = []
    for _ in range(iterations):
        joints = [_own_log_joint(pixels, mixtures, index) for index, pixels in enumerate(members)]
        history.append(float(sum(joint.logsumexp(dim=1).sum() for joint in joints)) / max(len(features), 1))
        # Shrinkage may lower it, which is no end: the first step leaves mixtures that are not shrunk.
        if len(history) > 1 and abs(history[-1] - history[-2]) < tolerance:
            break
        mixtures = _full_m_step(members, [responsibilities(joint) for joint in joints], mixtures)
        mixtures = _regularised(mixtures, members, shrinkage, variance_floor)
    return mixtures, history


def _own_log_joint(pixels: Tensor, mixtures: FullMixtures, index: int) -> Tensor:
    """Return log pi + log p for the components of one class, (n, M) float64."""
    whitening = whitening_of(mixtures.covariances[index])
    return full_log_density(pixels, mixtures.means[index], whitening, mixtures.weights[index].log())


def _full_m_step(members: list[Tensor], assignments: list[Tensor], old: FullMixtures) -> FullMixtures:
    """Return the means, covariances and weights of pixels (n, D) with responsibilities (n, M), class by class."""
    means, covariances, weights = (value.clone() for value in old)
    for index, (pixels, assignment) in enumerate(zip(members, assignments, strict=True)):
        mass = assignment.sum(dim=0)
        for component in torch.nonzero(mass > 0).flatten().tolist():
            share = assignment[:, component : component + 1] / mass[component]
            means[index, component] = (share * pixels).sum(dim=0)
            apart = pixels - means[index, component]
            covariances[index, component] = (share * apart).T @ apart
        if len(pixels):
            weights[index] = mass / len(pixels)
    return FullMixtures(means, covariances, weights)


def _regularised(mixtures: FullMixtures, members: list[Tensor], shrinkage: float, floor: float) -> FullMixtures:
    """Mix each covariance with the mean one and add the floor; classes without pixels stay as they are."""
    present = torch.tensor([len(pixels) > 0 for pixels in members], device=mixtures.means.device)
    counts = torch.tensor([len(pixels) for pixels in members], dtype=torch.float64, device=mixtures.means.device)
    mass = (counts[:, None] * mixtures.weights)[..., None, None]
    tied = (mass * mixtures.covariances).sum(dim=(0, 1)) / mass.sum().clamp(min=1)
    identity = torch.eye(tied.shape[0], dtype=torch.float64, device=tied.device)
    mixed = (1 - shrinkage) * mixtures.covariances + shrinkage * tied + floor * identity
    return mixtures._replace(covariances=torch.where(present[:, None, None, None], mixed, mixtures.covariances))
