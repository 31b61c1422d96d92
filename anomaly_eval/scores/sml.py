"""Standardised max logit (Jung et al., "Standardized Max Logits", ICCV 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anomaly_eval.errors import InputError
from anomaly_eval.scores.base import ClassStatistics, FittedScore, ObservedMoments, ScoreOption
from anomaly_eval.scores.boundaries import smooth, suppress_boundaries

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction


def standardised_max_logit(max_logit: Tensor, predicted: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return -(L - mean_c) / deviation_c, with L the largest logit and c the predicted class of each pixel.

    max_logit and predicted (int64): any shape; mean and deviation: (classes,), the type of the logits.
    """
    return (mean[predicted] - max_logit) / deviation[predicted]


class SML(FittedScore):
    """Standardised max logit with boundary suppression and dilated smoothing, each of which can be switched off.

    A switched-off step enters the name (`sml_without_smoothing`): it is another score.

    Learns mean_ and deviation_ (classes,), float64: mean and sample standard deviation of the max logit over the
    pixels of the fitting set *predicted* as each class, labelled or not, at the size of the label. A class that is
    never predicted takes the statistics pooled over all pixels, one without spread the pooled deviation.
    """

    name = "sml"
    title = "SML"
    paper = "Jung et al., ICCV 2021"
    place = 5
    options = (ScoreOption("without", list[str], "Switch off steps of SML: standardisation, suppression, smoothing."),)

    def __init__(self, standardise: bool = True, suppress: bool = True, smoothing: bool = True) -> None:
        self.standardise = standardise
        self.suppress = suppress
        self.smoothing = smoothing
        self.needs_predicted_classes = suppress
        steps = {"standardisation": standardise, "suppression": suppress, "smoothing": smoothing}
        without = [step for step, on in steps.items() if not on]
        if without:
            self.name = "_".join(["sml_without", *without])
        self.mean_: Tensor | None = None
        self.deviation_: Tensor | None = None

    @classmethod
    def configured(cls, **options: Any) -> SML:
        """Switch off the steps that `without` names; raises InputError for an unknown one."""
        without: Sequence[str] = options.get("without", ())
        steps = {"standardisation", "suppression", "smoothing"}
        if unknown := set(without) - steps:
            raise InputError(f"SML has no step {sorted(unknown)[0]!r}; --sml-without takes {', '.join(sorted(steps))}.")
        return cls(
            standardise="standardisation" not in without,
            suppress="suppression" not in without,
            smoothing="smoothing" not in without,
        )

    @property
    def fitted(self) -> bool:
        return self.mean_ is not None or not self.standardise

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        if not self.standardise:
            return -statistics.max
        if self.mean_ is None or self.deviation_ is None:
            raise ValueError("sml has no statistics: fit it or load them first")
        like = statistics.values
        if len(self.mean_) != len(like):
            raise InputError(
                f"the statistics of sml are of {len(self.mean_)} classes, the network has {len(like)}; fit again."
            )
        predicted = statistics.argmax
        return standardised_max_logit(statistics.max, predicted, self.mean_.to(like), self.deviation_.to(like))

    def refine(self, score: Tensor, predicted: Tensor | None) -> Tensor:
        if self.suppress:
            if predicted is None:
                raise ValueError("boundary suppression needs the predicted classes")
            score = suppress_boundaries(score, predicted)
        return smooth(score) if self.smoothing else score

    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        import torch

        maps = self.class_maps(prediction)
        classes = maps.channels
        sums = torch.zeros(3, classes, dtype=torch.float64)
        origin = torch.full((classes,), torch.nan, dtype=torch.float64)
        for _, values in maps.bands():
            statistics = ClassStatistics(values)
            # A GPU would add them up in an order of its own each time.
            predicted = statistics.argmax.flatten().cpu()
            largest = statistics.max.flatten().cpu().double()
            found = torch.full_like(origin, torch.nan).scatter_reduce(0, predicted, largest, "amax", include_self=False)
            origin = torch.where(origin.isnan(), found, origin)
            # About a value of the class the squares do not swamp the variance, and a class without spread has none.
            largest = largest - origin[predicted]
            for power in range(3):
                sums[power] += torch.bincount(predicted, largest**power, minlength=classes)
        return {"sums": sums, "origin": origin.nan_to_num(0.0)}

    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        import torch

        step = more["origin"] - before["origin"]
        count, total, squares = more["sums"]
        moved = torch.stack([count, total + count * step, squares + 2 * step * total + count * step**2])
        known = before["sums"][0] > 0
        return {
            "sums": torch.where(known, before["sums"] + moved, more["sums"]),
            "origin": torch.where(known, before["origin"], more["origin"]),
        }

    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        import torch

        count, total, squares = moments["sums"]
        within = squares - total**2 / count.clamp(min=1)
        mean, deviation = total / count + moments["origin"], _deviation(within, count)
        unseen, constant = count == 0, (count > 0) & ~(deviation > 0)
        # About the mean of a class, so that equal logits have no spread.
        reference = mean[~unseen][0]
        between = torch.where(unseen, 0.0, mean - reference)
        step = (count * between).sum() / count.sum()
        pooled = _deviation((within + count * (between - step) ** 2).sum(), count.sum())
        if not pooled > 0:
            raise ValueError("the largest logits are all the same")
        self.mean_ = torch.where(unseen, reference + step, mean)
        self.deviation_ = torch.where(unseen | constant, pooled, deviation)
        notes = []
        for affected, text in (
            (unseen, "never predicted on the fitting set, pooled statistics used"),
            (constant, "predicted with one value only, pooled deviation used"),
        ):
            names = [name for name, hit in zip(classes, affected.tolist(), strict=True) if hit]
            notes += [f"{text}: {', '.join(names)}"] if names else []
        return notes

    def state(self) -> dict[str, Tensor]:
        if self.mean_ is None or self.deviation_ is None:
            raise ValueError("sml has no statistics to save")
        return {"mean": self.mean_, "deviation": self.deviation_}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        mean, deviation = state["mean"].double(), state["deviation"].double()
        if mean.dim() != 1 or mean.shape != deviation.shape:
            raise ValueError("mean and deviation do not fit each other")
        if not (mean.isfinite().all() and deviation.isfinite().all() and (deviation > 0).all()):
            raise ValueError("mean and deviation must be finite, and the deviation positive")
        self.mean_, self.deviation_ = mean, deviation


def _deviation(squares: Tensor, count: Tensor) -> Tensor:
    """Return the sample standard deviation from sums of squares about the mean, NaN of a single value."""
    return (squares.clamp(min=0) / (count - 1)).sqrt()
