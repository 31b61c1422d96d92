"""M-steps: mixtures from moments (GMMSeg, NeurIPS 2022, Eq. 8 with diagonal covariance), and a batch EM."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gmmseg.assignment import responsibilities
from gmmseg.density import component_log_density


class Moments(NamedTuple):
    """Weighted sums over pixels for C classes of M components, float64: all that an M-step needs.

    mass: (C, M) sum of q, total: (C, M, D) sum of q x, square: (C, M, D) sum of q x^2.
    """

    mass: Tensor
    total: Tensor
    square: Tensor

    def plus(self, other: Moments) -> Moments:
        """Return the moments of both sets of pixels together."""
        return Moments(self.mass + other.mass, self.total + other.total, self.square + other.square)


class Mixtures(NamedTuple):
    """means and deviations (C, M, D), weights (C, M) that sum to one in each class."""

    means: Tensor
    deviations: Tensor
    weights: Tensor


def weighted_moments(features: Tensor, assignment: Tensor, labels: Tensor, classes: int) -> Moments:
    """Sum up features (N, D) with responsibilities (N, M) for components of their own class `labels` (N,)."""
    features, assignment = features.double(), assignment.double()
    components, dimensions = assignment.shape[1], features.shape[1]
    spread = assignment.new_zeros(len(labels), classes, components)
    spread[torch.arange(len(labels), device=labels.device), labels] = assignment
    spread = spread.flatten(1)
    sums = spread.t() @ torch.cat([features, features.square()], dim=1)
    total, square = sums.reshape(classes, components, 2, dimensions).unbind(2)
    return Moments(spread.sum(dim=0).reshape(classes, components), total, square)


def m_step(
    moments: Moments, *, variance_offset: float = 0.0, variance_floor: float = 1e-6, unit_means: bool = False
) -> Mixtures:
    """Return the mixtures that the moments describe (Eq. 8), float64.

    The variance is the mean of (x - mean)^2, plus `variance_offset`, and at least `variance_floor`. With `unit_means`
    the mean is the direction of the sum, of length one, as in the official code. A component without pixels gets zero
    mean, the floor, and no weight; the caller decides what becomes of it.
    """
    mass = moments.mass.clamp(min=torch.finfo(torch.float64).tiny)[..., None]
    average = moments.total / mass
    means = torch.nn.functional.normalize(moments.total, dim=-1) if unit_means else average
    variance = moments.square / mass - 2 * means * average + means.square()
    deviations = (variance + variance_offset).clamp(min=variance_floor).sqrt()
    per_class = moments.mass.sum(dim=1, keepdim=True)
    uniform = torch.full_like(moments.mass, 1 / moments.mass.shape[1])
    weights = torch.where(per_class > 0, moments.mass / per_class.clamp(min=1e-300), uniform)
    return Mixtures(means, deviations, weights)


def momentum_update(old: Tensor, new: Tensor, momentum: Tensor | float) -> Tensor:
    """Return (1 - tau) new + tau old, the update that follows Eq. 11; a momentum of 0 replaces outright."""
    return new + momentum * (old - new)


def own_log_joint(features: Tensor, labels: Tensor, mixtures: Mixtures, *, weighted: bool = True) -> Tensor:
    """Return log pi + log p(x_n | c_n, m) for the components of each pixel's own class, (N, M) float32.

    features: (N, D), labels: (N,) int64 in [0, C). Without `weighted`, log p alone.
    """
    classes, components = mixtures.weights.shape
    log_weights = mixtures.weights.flatten().log() if weighted else None
    joint = component_log_density(
        features, mixtures.means.flatten(0, 1), mixtures.deviations.flatten(0, 1), log_weights
    )
    return joint.reshape(-1, classes, components)[torch.arange(len(labels), device=labels.device), labels]


def fit_mixtures(
    features: Tensor,
    labels: Tensor,
    classes: int,
    components: int,
    *,
    iterations: int = 100,
    tolerance: float = 1e-3,
    variance_floor: float = 1e-6,
    generator: torch.Generator | None = None,
    start: Mixtures | None = None,
    chunk: int = 16_384,
) -> tuple[Mixtures, list[float]]:
    """Fit a mixture to each class by batch EM (Eq. 8), all classes at once: the GMM of Table 3, fitted after training.

    features: (N, D), labels: (N,) int64 in [0, classes). Ends when the mean log-likelihood gains less than `tolerance`.
    Starts from `start`, or from means drawn as k-means++ does and the deviations of the class. A class without pixels
    keeps zero means and unit deviations. Returns the mixtures (float64) and the mean log-likelihood before each step.
    Raises ValueError for features that are not finite and for labels outside the classes.
    """
    check_pixels(features, labels, classes)
    # Sorted, a chunk meets only a few classes, and is compared with no others.
    order = labels.argsort(stable=True)
    features, labels = features[order], labels[order]
    mixtures = start or _first_mixtures(features, labels, classes, components, variance_floor, generator, chunk)
    history: list[float] = []
    for _ in range(iterations):
        moments, log_likelihood = _e_step(features, labels, mixtures, chunk)
        history.append(log_likelihood)
        if len(history) > 1 and history[-1] - history[-2] < tolerance:
            break
        mixtures = _keep_where_empty(m_step(moments, variance_floor=variance_floor), mixtures, moments.mass)
    return mixtures, history


def _e_step(features: Tensor, labels: Tensor, mixtures: Mixtures, chunk: int) -> tuple[Moments, float]:
    """Return the moments under the responsibilities, and the mean log-likelihood, of pixels sorted by class."""
    mass = torch.zeros_like(mixtures.weights, dtype=torch.float64)
    total, square = (torch.zeros_like(mixtures.means, dtype=torch.float64) for _ in range(2))
    log_likelihood = 0.0
    for begin in range(0, len(features), chunk):
        part, own = features[begin : begin + chunk], labels[begin : begin + chunk]
        first, last = int(own[0]), int(own[-1]) + 1
        near = Mixtures(*(values[first:last] for values in mixtures))
        joint = own_log_joint(part, own - first, near).double()
        log_likelihood += float(joint.logsumexp(dim=1).sum())
        found = weighted_moments(part, responsibilities(joint), own - first, last - first)
        mass[first:last] += found.mass
        total[first:last] += found.total
        square[first:last] += found.square
    return Moments(mass, total, square), log_likelihood / max(len(features), 1)


def check_pixels(features: Tensor, labels: Tensor, classes: int) -> None:
    """Raise ValueError where features (N, D) are not finite or labels (N,) lie outside [0, classes)."""
    # In float64: the sum of finite float16 features may be infinite.
    if not torch.isfinite(features.sum(dtype=torch.float64)):
        raise ValueError("the features hold NaN or infinite values")
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise ValueError(f"labels lie between {int(labels.min())} and {int(labels.max())}, outside [0, {classes})")


def _keep_where_empty(new: Mixtures, old: Mixtures, mass: Tensor) -> Mixtures:
    """Take the old means and deviations of components that no pixel belongs to."""
    alive = (mass > 0)[..., None]
    return Mixtures(
        torch.where(alive, new.means, old.means.double()),
        torch.where(alive, new.deviations, old.deviations.double()),
        new.weights,
    )


def _first_mixtures(
    features: Tensor,
    labels: Tensor,
    classes: int,
    components: int,
    floor: float,
    generator: torch.Generator | None,
    chunk: int,
) -> Mixtures:
    """Draw the first means of every class as k-means++ does: each with probability of its squared distance.

    features and labels are sorted by class.
    """
    one = Mixtures(
        features.new_zeros(classes, 1, features.shape[1], dtype=torch.float64),
        features.new_ones(classes, 1, features.shape[1], dtype=torch.float64),
        features.new_ones(classes, 1, dtype=torch.float64),
    )
    # With one component all pixels of a class are its own, whatever the mixture is.
    moments, _ = _e_step(features, labels, one, chunk)
    whole = m_step(moments, variance_floor=floor)
    present = moments.mass[:, 0] > 0
    means = one.means.repeat(1, components, 1)
    distance = features.new_ones(len(features), dtype=torch.float64)
    rows = torch.arange(len(features), device=features.device)
    for component in range(components):
        noise = torch.rand(len(features), generator=generator, dtype=torch.float64).to(features.device)
        # The largest of log weight + Gumbel noise is a draw in proportion to the weights.
        keys = distance.clamp(min=1e-300).log() - noise.clamp(min=1e-300).log().neg().log()
        best = keys.new_full((classes,), -torch.inf).scatter_reduce(0, labels, keys, "amax")
        chosen = rows.new_zeros(classes).scatter_reduce(0, labels, torch.where(keys == best[labels], rows, 0), "amax")
        means[present, component] = features[chosen[present]].double()
        for begin in range(0, len(features), chunk):
            part = slice(begin, begin + chunk)
            nearest = (features[part].double() - means[labels[part], component]).square().sum(dim=1)
            distance[part] = nearest if component == 0 else torch.minimum(distance[part], nearest)
    deviations = torch.where(present[:, None, None], whole.deviations, 1.0).expand_as(means).contiguous()
    return Mixtures(means, deviations, means.new_full((classes, components), 1 / components))
