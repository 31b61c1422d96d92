"""Virtual-logit matching (Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", CVPR 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores.base import ClassStatistics, FittedScore, ObservedMoments, ScoreOption
from anomaly_eval.scores.energy import energy
from anomaly_eval.scores.mahalanobis import feature_moments, merged_feature_moments, sample_label, tied_statistics
from anomaly_eval.scores.pixel_sample import merged_samples, sample_of_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction
    from anomaly_eval.segmenters.coarse_maps import CoarseMaps
    from anomaly_eval.segmenters.linear_classifier import LinearClassifier

_SAMPLE = 5_000
"""Pixels over which alpha is averaged: its error is below one percent."""
_NOTHING = 1e-6
"""A residual that is so small a part of the feature is the rounding of float32."""


def usual_dimensions(directions: int) -> int:
    """Return the paper's dimensions of the principal space: 1000 of 2048 features, 512 of 768, or a half.

    A direction that holds nothing, such as a channel that is always zero, is none of them.
    """
    return 1000 if directions >= 2048 else 512 if directions >= 768 else directions // 2


def origin_of(classifier: LinearClassifier) -> Tensor:
    """Return the paper's origin -W⁺b (dimensions,), float64: of all points without any logit the nearest to 0."""
    import torch

    inverse: Tensor = torch.linalg.pinv(classifier.weight.double())
    return -(inverse @ classifier.bias.double())


def principal_directions(covariance: Tensor, mean: Tensor, origin: Tensor) -> Tensor:
    """Return the eigenvectors (dimensions, dimensions), as columns, of the second moment about `origin`, largest first.

    covariance: (dimensions, dimensions) about `mean` (dimensions,); all float64.
    """
    import torch

    away = mean - origin
    vectors: Tensor = torch.linalg.eigh(covariance + away.outer(away)).eigenvectors
    return vectors.flip(1).contiguous()


def taken_directions(residuals: Tensor) -> int:
    """Return in how many directions features lie away from the origin, by `residuals` as `ViM` learns them."""
    return int((residuals > _NOTHING * residuals[0]).sum())


class ViM(FittedScore):
    """Log odds of the virtual class: its logit is the norm of what the principal space misses, times alpha.

    That is alpha ‖residual‖ - log sum_c exp z_c, which ranks as the paper's softmax probability of the virtual class
    does, and never rounds to 1. Logits are those that the last layer makes of the features; all of them, and the
    virtual one, are resized to the image before the sum. Where a pixel of features becomes several of logits, W and b
    are those of all of them, and the virtual logit is the same for all.

    Learns, on the labelled pixels of the fitting set at the resolution of the features, in float64: origin_
    (dimensions,), directions_ (dimensions, dimensions), residuals_ (dimensions,), the mean norm of what the first 0, 1,
    ... directions miss, and largest_logit_ (), the mean of the largest logit. The means are over a fixed sample of
    pixels, as the paper's are.
    """

    name = "vim"
    title = "ViM"
    paper = "Wang et al., CVPR 2022, for each pixel"
    source = "classifier"
    needs = "features and a linear last layer"
    place = 18
    by_default = False
    options = (
        ScoreOption(
            "dimensions",
            int,
            "Dimensions of ViM's principal space. Default: 1000 where features take 2048 directions or more, 512 "
            "of 768 or more, else a half.",
            min=1,
        ),
    )

    def __init__(self, dimensions: int | None = None) -> None:
        self.dimensions = dimensions
        self.origin_: Tensor | None = None
        self.directions_: Tensor | None = None
        self.residuals_: Tensor | None = None
        self.largest_logit_: Tensor | None = None

    @property
    def fitted(self) -> bool:
        return self.origin_ is not None

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        import torch

        maps, classifier = _inputs(prediction)
        if self.origin_ is None or self.directions_ is None or self.residuals_ is None or self.largest_logit_ is None:
            raise ValueError("vim has no statistics: fit it or load them first")
        if len(self.origin_) != len(maps.values):
            raise InputError(
                f"the statistics of vim are of {len(self.origin_)} features, the network has {len(maps.values)}; fit "
                f"again."
            )
        dimensions = self._dimensions(self.residuals_)
        alpha = float(self.largest_logit_ / self.residuals_[dimensions])
        features = maps.values.flatten(1).double()
        residual = self.directions_[:, dimensions:].T.to(features.device)
        missed = (-(residual @ self.origin_.to(features.device))[:, None]).addmm(residual, features)
        virtual = alpha * torch.linalg.vector_norm(missed, dim=0)
        known = classifier.logits(features)
        logits = torch.cat([known, virtual.expand(1, *known.shape[1:])]).float()
        return maps.like(classifier.laid_out(logits, (maps.values.shape[1], maps.values.shape[2])))

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return statistics.values[-1] + energy(statistics.values[:-1])

    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        import torch

        maps, classifier = _inputs(prediction)
        values = maps.values.flatten(1)
        labelled = torch.from_numpy(sample_label(label, maps) != VOID).flatten().to(values.device)
        features = values[:, labelled].double()
        largest = classifier.logits(values.double()).amax(dim=0).mean(dim=0, keepdim=True).float()
        none = torch.zeros(features.shape[1], dtype=torch.int64, device=values.device)
        return {
            **feature_moments(features, none, 1),
            **sample_of_image(torch.cat([values, largest]), labelled, image_id),
            "zero": origin_of(classifier).cpu(),
        }

    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        return {
            **merged_feature_moments(before, more),
            **merged_samples(before, more, _SAMPLE),
            "zero": before["zero"],
        }

    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        _, means, covariance = tied_statistics(moments)
        origin = moments["zero"]
        directions = principal_directions(covariance, means[0], origin)
        sample = moments["pixels"][:_SAMPLE].double()
        along = (sample[:, :-1] - origin) @ directions
        missed = along.square().flip(1).cumsum(dim=1).flip(1).sqrt()
        residuals, largest_logit = missed.mean(dim=0), sample[:, -1].mean()
        if not largest_logit > 0:
            raise ValueError("the largest logit is negative on average, so that no scale makes a residual a logit")
        self._dimensions(residuals)
        self._take(origin, directions, residuals, largest_logit)
        features, empty = len(residuals), len(residuals) - taken_directions(residuals)
        return [f"{empty} of {features} feature directions hold nothing and were left out"] if empty else []

    def state(self) -> dict[str, Tensor]:
        if self.origin_ is None or self.directions_ is None or self.residuals_ is None or self.largest_logit_ is None:
            raise ValueError("vim has no statistics to save")
        return {
            "origin": self.origin_,
            "directions": self.directions_,
            "residuals": self.residuals_,
            "largest_logit": self.largest_logit_,
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        origin, directions, residuals, largest = (
            state[name].double() for name in ("origin", "directions", "residuals", "largest_logit")
        )
        square = (*origin.shape, *origin.shape)
        if origin.dim() != 1 or origin.shape != residuals.shape or directions.shape != square or largest.dim():
            raise ValueError("origin, directions and residuals do not fit each other")
        finite = all(values.isfinite().all() for values in (origin, directions, residuals, largest))
        if not (finite and len(origin) and largest > 0):
            raise ValueError("all statistics must be finite, there must be some, and the largest logit be positive")
        self._take(origin, directions, residuals, largest)

    def _take(self, origin: Tensor, directions: Tensor, residuals: Tensor, largest_logit: Tensor) -> None:
        """Lay statistics out afresh, as `Mahalanobis` does."""
        import torch

        self.origin_, self.directions_, self.residuals_, self.largest_logit_ = (
            values.clone(memory_format=torch.contiguous_format)
            for values in (origin, directions, residuals, largest_logit)
        )

    def _dimensions(self, residuals: Tensor) -> int:
        """Return the dimensions of the principal space; raises InputError where it leaves nothing of the features."""
        directions = taken_directions(residuals)
        dimensions = usual_dimensions(directions) if self.dimensions is None else self.dimensions
        if dimensions >= directions:
            raise InputError(
                f"--vim-dimensions {dimensions} leaves nothing of the {directions} directions that features of this "
                f"network take; give a smaller one, or leave vim out of --scores."
            )
        return dimensions


def _inputs(prediction: Prediction) -> tuple[CoarseMaps, LinearClassifier]:
    if prediction.features is None or prediction.classifier is None:
        raise ValueError("the prediction holds no features and linear classifier, which vim needs")
    return prediction.features, prediction.classifier
