"""E-steps: how much each component of a class is responsible for each pixel (GMMSeg, NeurIPS 2022, Eqs. 8 to 10).

All classes are worked on at once: a pixel n of class labels[n] is compared with the M components of its own class.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def responsibilities(log_joint: Tensor) -> Tensor:
    """Return q[n, m] = p(m | x_n, c_n) (Eq. 8), for log pi + log p(x_n | c_n, m) of shape (N, M)."""
    return log_joint.softmax(dim=1)


def sinkhorn(
    log_density: Tensor,
    labels: Tensor,
    classes: int,
    *,
    epsilon: float = 0.05,
    iterations: int = 3,
) -> Tensor:
    """Return responsibilities (N, M) under the constraint that the components of a class share its pixels equally.

    Solves Eq. 10 by Sinkhorn-Knopp in the log domain: `iterations` times a step that gives components equal shares and
    one that gives pixels a sum of 1, in this order, as in the official code. So each row sums to 1, and the columns of
    class c approach N_c / M. log_density: (N, M), log p(x_n | c_n, m), the negative cost; labels: (N,) int64 in
    [0, classes). Computed and returned in float64: at epsilon = 0.05 float32 would lose the marginals.
    """
    potentials = sinkhorn_potentials(log_density, labels, classes, epsilon=epsilon, iterations=iterations)
    return sinkhorn_plan(log_density, labels, potentials, epsilon=epsilon)


def sinkhorn_plan(log_density: Tensor, labels: Tensor, potentials: Tensor, *, epsilon: float = 0.05) -> Tensor:
    """Return the responsibilities (N, M) float64 that potentials (classes, M) stand for."""
    return (log_density.double() / epsilon + potentials[labels]).softmax(dim=1)


def sinkhorn_potentials(
    log_density: Tensor,
    labels: Tensor,
    classes: int,
    *,
    epsilon: float = 0.05,
    iterations: int = 3,
    start: Tensor | None = None,
) -> Tensor:
    """Return what is added to log_density / epsilon so that a softmax over components shares pixels equally.

    (classes, M) float64 with mean 0 in each class; arguments as for `sinkhorn`. The cost range over epsilon is the
    number of iterations that this takes from nothing, hundreds for unscaled densities; a start (classes, M) from the
    potentials of the training iteration before leaves little to do. The first step from nothing is of the components,
    the first from a start is of the pixels: a step of the components would forget the start.
    """
    scaled = log_density.double() / epsilon
    counts = torch.bincount(labels, minlength=classes)
    log_share = (counts.clamp(min=1).double() / log_density.shape[1]).log()[:, None]
    potentials = scaled.new_zeros(classes, log_density.shape[1]) if start is None else start
    for step in range(iterations):
        plan = scaled + potentials[labels]
        if start is not None or step > 0:
            plan = plan.log_softmax(dim=1)
        updated = potentials + log_share - _log_sum_exp_by_class(plan, labels, classes)
        # A softmax does not see the mean, which would drift.
        potentials = torch.where(counts[:, None] > 0, updated - updated.mean(dim=1, keepdim=True), potentials)
    return potentials


def scale_by_class(log_density: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Divide the log densities (N, M) of each class by their largest magnitude in the class, as the official code."""
    magnitude = log_density.abs().amax(dim=1)
    largest = magnitude.new_zeros(classes).scatter_reduce(0, labels, magnitude, "amax")
    return log_density / largest.clamp_(min=torch.finfo(largest.dtype).tiny)[labels, None]


def harden(assignment: Tensor) -> Tensor:
    """Give each pixel to its most responsible component: (N, M) in [0, 1] to one-hot rows of the same dtype."""
    return functional.one_hot(assignment.argmax(dim=1), assignment.shape[1]).to(assignment.dtype)


def _log_sum_exp_by_class(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return (C, M): the log-sum-exp of the rows (N, M) of each class; 0 for a class without rows."""
    rows = labels[:, None].expand_as(values)
    largest = values.new_full((classes, values.shape[1]), -torch.inf).scatter_reduce(0, rows, values, "amax")
    # Also for a component that no row of its class can reach.
    largest = largest.nan_to_num(neginf=0.0)
    total = torch.zeros_like(largest).index_add_(0, labels, (values - largest[labels]).exp())
    return torch.where(total > 0, total.log() + largest, 0.0)
