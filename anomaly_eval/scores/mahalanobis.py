"""Mahalanobis distance to the nearest class (Lee et al., NeurIPS 2018), densely over pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores.base import ClassStatistics, FittedScore, ObservedMoments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction
    from anomaly_eval.segmenters.coarse_maps import CoarseMaps


def class_distances(features: Tensor, means: Tensor, whitening: Tensor) -> Tensor:
    """Return the squared Mahalanobis distances (classes, pixels) of features to class means, float64.

    features: (dimensions, pixels). means: (classes, dimensions). whitening: (rank, dimensions), float64. Distances are
    taken about the mean of the class means, where the expanded square does not cancel.
    """
    centre = means.mean(dim=0)
    whitened = (-(whitening @ centre)[:, None]).addmm(whitening, features.double())
    centres = whitening @ (means - centre).T
    squares = whitened.square().sum(dim=0) + centres.square().sum(dim=0)[:, None]
    return squares.addmm(centres.T, whitened, alpha=-2.0).clamp_(min=0.0)


def whitening_of(covariance: Tensor) -> Tensor:
    """Return W (rank, dimensions) such that the squared norm of W d is the squared Mahalanobis norm of d.

    For a regular covariance (dimensions, dimensions), float64, this is the inverse of its lower Cholesky factor.
    Directions without variance, such as a channel that is always zero, carry no distance: they are left out, which is
    the pseudo-inverse that Lee et al. use (scikit-learn's EmpiricalCovariance).
    """
    import torch

    values, vectors = torch.linalg.eigh(covariance)
    varies = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    if varies.all():
        identity = torch.eye(len(values), dtype=values.dtype)
        factor = torch.linalg.cholesky(covariance)
        inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
        return inverse
    kept: Tensor = vectors[:, varies].T / values[varies].sqrt()[:, None]
    return kept


class Mahalanobis(FittedScore):
    """Squared Mahalanobis distance to the nearest class mean, with one covariance tied over the classes.

    Learns means_ (classes seen, dimensions) and whitening_ (rank, dimensions), float64, on the labelled pixels of the
    fitting set at the resolution of the features, labels sampled at the cell centres. At test time the class distances
    are resized to the image before the minimum is taken.
    """

    name = "mahalanobis"
    title = "Mahalanobis"
    paper = "Lee et al., NeurIPS 2018, for each pixel"
    source = "features"
    needs = "features"
    place = 6

    def __init__(self) -> None:
        self.means_: Tensor | None = None
        self.whitening_: Tensor | None = None

    @property
    def fitted(self) -> bool:
        return self.means_ is not None

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        maps = super().class_maps(prediction)
        if self.means_ is None or self.whitening_ is None:
            raise ValueError("mahalanobis has no statistics: fit it or load them first")
        device = maps.values.device
        if self.means_.shape[1] != len(maps.values):
            raise InputError(
                f"the statistics of mahalanobis are of {self.means_.shape[1]} features, the network has "
                f"{len(maps.values)}; fit again."
            )
        distances = class_distances(maps.values.flatten(1), self.means_.to(device), self.whitening_.to(device))
        return maps.like(distances.float().reshape(-1, *maps.values.shape[1:]))

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return statistics.values.amin(dim=0)

    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        import torch

        maps = super().class_maps(prediction)
        coarse = torch.from_numpy(sample_label(label, maps)).to(maps.values.device).flatten()
        kept = coarse != VOID
        features = maps.values.flatten(1)[:, kept].double()
        return feature_moments(features, coarse[kept].long(), prediction.class_maps.channels)

    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        return merged_feature_moments(before, more)

    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        count, means, covariance = tied_statistics(moments)
        seen = count > 0
        whitening = whitening_of(covariance)
        self._take(means[seen], whitening)
        notes = []
        if not seen.all():
            names = ", ".join(name for name, there in zip(classes, seen.tolist(), strict=True) if not there)
            notes.append(f"no labelled pixel in the fitting set, class left out: {names}")
        rank, dimensions = whitening.shape
        if rank < dimensions:
            notes.append(f"{dimensions - rank} of {dimensions} feature directions do not vary and were left out")
        return notes

    def state(self) -> dict[str, Tensor]:
        if self.means_ is None or self.whitening_ is None:
            raise ValueError("mahalanobis has no statistics to save")
        return {"means": self.means_, "whitening": self.whitening_}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        means, whitening = state["means"].double(), state["whitening"].double()
        if means.dim() != 2 or whitening.dim() != 2 or means.shape[1] != whitening.shape[1]:
            raise ValueError("means and whitening do not fit each other")
        if not (means.numel() and means.isfinite().all() and whitening.isfinite().all()):
            raise ValueError("means and whitening must be finite, and there must be some")
        self._take(means, whitening)

    def _take(self, means: Tensor, whitening: Tensor) -> None:
        """Lay statistics out afresh: their products round by how they lie in memory, fitted or read from a file."""
        import torch

        self.means_, self.whitening_ = (
            values.clone(memory_format=torch.contiguous_format) for values in (means, whitening)
        )


def feature_moments(features: Tensor, labels: Tensor, classes: int) -> dict[str, Tensor]:
    """Return counts and sums of features (dimensions, pixels) float64 by labels (pixels,) int64, and outer products.

    Sums are about the mean of these features, `origin`, so that no product cancels later.
    """
    from torch.nn import functional

    origin = features.mean(dim=1) if labels.numel() else features.new_zeros(len(features))
    shifted = features - origin[:, None]
    one_hot = functional.one_hot(labels, classes).double()
    moments = {
        "count": one_hot.sum(dim=0),
        "total": (shifted @ one_hot).T,
        "outer": shifted @ shifted.T,
        "origin": origin,
    }
    return {name: values.cpu().contiguous() for name, values in moments.items()}


def merged_feature_moments(before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
    """Return the moments of the pixels of both, about the origin of the former; see Chan et al. (1983)."""
    if not more["count"].any():
        return before
    if not before["count"].any():
        return more
    step = more["origin"] - before["origin"]
    sums = more["total"].sum(dim=0)
    crossed = sums.outer(step)
    outer = more["outer"] + crossed + crossed.T + more["count"].sum() * step.outer(step)
    return {
        "count": before["count"] + more["count"],
        "total": before["total"] + (more["total"] + more["count"][:, None] * step),
        "outer": before["outer"] + outer,
        "origin": before["origin"],
    }


def tied_statistics(moments: ObservedMoments) -> tuple[Tensor, Tensor, Tensor]:
    """Return counts (classes,), means (classes, dimensions) and the tied covariance; raises ValueError without any."""
    count = moments["count"]
    if not count.any():
        raise ValueError("no labelled pixel was observed")
    shifted_means = moments["total"] / count.clamp(min=1)[:, None]
    between = (shifted_means * count[:, None]).T @ shifted_means
    covariance = (moments["outer"] - between) / count.sum()
    return count, shifted_means + moments["origin"], covariance


def sample_label(label: NDArray[np.uint8], maps: CoarseMaps) -> NDArray[np.uint8]:
    """Return the label (height, width) at the centres of the grid's cells, (h, w); outside the image is void."""
    import numpy as np

    indices = []
    for length, extent, cells in zip(label.shape, maps.extent, maps.values.shape[1:], strict=True):
        if maps.align_corners:
            positions = np.arange(cells) * ((extent - 1.0) / max(cells - 1, 1))
        else:
            positions = (np.arange(cells) + 0.5) * (extent / cells) - 0.5
        nearest = np.floor(positions + 0.5).astype(np.int64)
        indices.append(np.where(nearest < length, nearest, -1))
    coarse: NDArray[np.uint8] = label[np.ix_(np.maximum(indices[0], 0), np.maximum(indices[1], 0))]
    coarse[indices[0] < 0] = VOID
    coarse[:, indices[1] < 0] = VOID
    return coarse
