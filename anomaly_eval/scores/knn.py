"""Distance to the k-th nearest feature of the training set (Sun et al., ICML 2022), densely over pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores.base import ClassStatistics, FittedScore, ObservedMoments, Score, ScoreOption
from anomaly_eval.scores.mahalanobis import sample_label
from anomaly_eval.scores.pixel_sample import PER_IMAGE, merged_samples, sample_of_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction
    from anomaly_eval.segmenters.coarse_maps import CoarseMaps

BANK, K = 10_000, 10
"""A thousandth of the bank: the paper takes 50 of 50,000 images of CIFAR, 1000 of 1.3 million of ImageNet."""
_AROUND = 16
"""float32 may take neighbours for nearer than they are; the k-th is looked for among so many before and after it."""
_BLOCK_BYTES = 2**26


def unit_length(features: Tensor) -> Tensor:
    """Return features (..., dimensions) of length 1, float64; those that are 0 stay so."""
    from torch.nn import functional

    return functional.normalize(features.double(), dim=-1)


def kth_distances(features: Tensor, bank: Tensor, k: int) -> Tensor:
    """Return the Euclidean distances (pixels,), float64, from features of length 1 to the k-th nearest of the bank.

    features: (dimensions, pixels), of any length. bank: (size, dimensions) of length 1, float64, with k <= size.
    float32 finds the neighbours, in blocks of pixels that bound the memory; float64 measures those around the k-th.
    """
    import torch

    size, dimensions = bank.shape
    first, last = max(k - 1 - _AROUND, 0), min(k + _AROUND, size)
    rounded = bank.float()
    squares = rounded.square().sum(dim=1)
    pixels = max(1, _BLOCK_BYTES // (8 * size + 16 * (last - first) * dimensions))
    # All at once: small pieces that stay between large ones that go would keep the memory of the latter.
    found = bank.new_empty(features.shape[1])
    for start in range(0, len(found), pixels):
        block = slice(start, start + pixels)
        own = unit_length(features[:, block].T)
        nearest = torch.addmm(squares, own.float(), rounded.T, alpha=-2.0).topk(last, largest=False).indices
        around = (bank[nearest[:, first:]] - own[:, None]).square_().sum(dim=-1)
        found[block] = around.sort(dim=1).values[:, k - 1 - first].sqrt()
    return found


class KNN(FittedScore):
    """Distance to the k-th nearest of a bank of pixels of the fitting set, all features of length 1.

    Learns pixels_ (size, dimensions), float32: a fixed, even sample of the labelled pixels at the resolution of the
    features, see `pixel_sample`. A smaller bank is the start of a larger one. At test time distances are measured on
    the features' own grid and resized to the image.
    """

    name = "knn"
    title = "kNN"
    paper = "Sun et al., ICML 2022, for each pixel"
    source = "features"
    needs = "features"
    place = 17
    by_default = False
    options = (
        ScoreOption("bank", int, "Pixels that kNN compares with; statistics hold 10000. Default: 10000.", min=1),
        ScoreOption("k", int, "Which of the nearest pixels counts for kNN, at most the bank. Default: 10.", min=1),
    )

    def __init__(self, bank: int = BANK, k: int = K) -> None:
        self.bank, self.k = bank, k
        self.pixels_: Tensor | None = None

    @classmethod
    def configured(cls, **options: Any) -> Score:
        """Take a size of the bank and k; raises InputError where the one has no k-th."""
        bank, k = options.get("bank", BANK), options.get("k", K)
        if k > bank:
            raise InputError(f"kNN has no {k}th nearest of {bank} pixels; give --knn-k of at most --knn-bank.")
        return super().configured(**options)

    @property
    def fitted(self) -> bool:
        return self.pixels_ is not None

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        maps = super().class_maps(prediction)
        if self.pixels_ is None:
            raise ValueError("knn has no statistics: fit it or load them first")
        if self.pixels_.shape[1] != len(maps.values):
            raise InputError(
                f"the statistics of knn are of {self.pixels_.shape[1]} features, the network has {len(maps.values)}; "
                f"fit again."
            )
        bank = unit_length(self.pixels_.to(maps.values.device))
        distances = kth_distances(maps.values.flatten(1), bank, self.k)
        return maps.like(distances.float().reshape(1, *maps.values.shape[1:]))

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return statistics.values[0]

    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        import torch

        maps = super().class_maps(prediction)
        labelled = torch.from_numpy(sample_label(label, maps) != VOID).flatten()
        return sample_of_image(maps.values.flatten(1), labelled, image_id)

    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        return merged_samples(before, more, self.bank)

    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        pixels = moments["pixels"][: self.bank]
        if len(pixels) < self.k:
            raise ValueError(f"it has {len(pixels)} labelled pixels, and k is {self.k}")
        self.pixels_ = pixels
        few = f"a bank of {len(pixels)} pixels instead of {self.bank}, as images add at most {PER_IMAGE} each"
        return [few] if len(pixels) < self.bank else []

    def state(self) -> dict[str, Tensor]:
        import torch

        if self.pixels_ is None:
            raise ValueError("knn has no statistics to save")
        return {"pixels": self.pixels_, "limit": torch.tensor(self.bank)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        pixels, asked = state["pixels"].float(), state["limit"].double()
        if pixels.dim() != 2 or asked.dim():
            raise ValueError("pixels and limit do not fit each other")
        if not (pixels.numel() and pixels.isfinite().all() and asked.isfinite()):
            raise ValueError("pixels and limit must be finite, and there must be some")
        limit = int(asked)
        if limit < self.bank:
            raise InputError(
                f"the statistics hold a bank of {limit} pixels for knn, and {self.bank} are asked for; give --knn-bank "
                f"{limit} or less, or --fit-dataset in place of --stats."
            )
        if len(pixels) < self.k:
            raise InputError(
                f"the statistics hold {len(pixels)} pixels for knn; give --knn-k of {len(pixels)} or less."
            )
        self.pixels_ = pixels[: self.bank].clone()
