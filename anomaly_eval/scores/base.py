"""What a score is, and what scores over the same class maps share.

Modules of scores import torch where they compute: the command line asks them for their options, and should not wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anomaly_eval.segmenters.base import Prediction
    from anomaly_eval.segmenters.coarse_maps import CoarseMaps


class ClassStatistics:
    """Reductions over the classes of (classes, …) values, each computed once and only when asked for."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @classmethod
    def of(cls, values: Tensor | ClassStatistics) -> ClassStatistics:
        """Wrap values, or return statistics that exist already."""
        return values if isinstance(values, ClassStatistics) else cls(values)

    @cached_property
    def max(self) -> Tensor:
        """Largest value over the classes."""
        return self.values.amax(dim=0)

    @cached_property
    def argmax(self) -> Tensor:
        """Index of the largest value, int64: the predicted class; the first one of a tie."""
        import torch

        classes = len(self.values)
        # Comparing with the maximum takes a fifth of the time of torch's own argmax over the first dimension.
        kind = torch.uint8 if classes <= 255 else torch.int16
        rank = torch.arange(classes, 0, -1, dtype=kind, device=self.values.device)
        rank = rank.reshape(-1, *[1] * (self.values.dim() - 1))
        return classes - ((self.values == self.max).to(kind) * rank).amax(dim=0).long()

    @cached_property
    def shifted(self) -> Tensor:
        """Values minus their maximum, so that exp cannot overflow.

        Cut at -10,000, where exp is 0 in any case, so that 0 log 0 is 0 for a value of minus infinity.
        """
        return (self.values - self.max).clamp_(min=-1e4)

    @cached_property
    def exponentials(self) -> Tensor:
        """exp of the shifted values, in (0, 1]."""
        return self.shifted.exp()

    @cached_property
    def partition(self) -> Tensor:
        """Sum of the exponentials, in [1, classes]."""
        return self.exponentials.sum(dim=0)

    @cached_property
    def log_partition(self) -> Tensor:
        """Logarithm of the partition; add the maximum to get the log-sum-exp of the values."""
        return self.partition.log()


@dataclass(frozen=True)
class ScoreOption:
    """An option of a score; the command line calls it by the score's name and the keyword: `--sml-without`."""

    keyword: str
    type: Any
    """What the command line reads: int, float, str, or a list of one of them."""
    help: str
    min: float | None = None


class Score(ABC):
    """One anomaly score: a reduction of class maps to one map, higher meaning more anomalous.

    All that is said of it anywhere stands here: a class in a module of this folder is known by these facts alone.
    """

    name: str
    """How the command line and results call it; two scores of one name give the same maps."""
    title: ClassVar[str]
    """How tables call it, as the literature does."""
    paper: ClassVar[str]
    """Where it comes from: authors and venue, or a few words."""
    source: ClassVar[str] = "logits"
    """The field of `Prediction` that the score reads."""
    instead: ClassVar[Sequence[str]] = ()
    """Fields that it reads where that one is not there, the first that is."""
    needs: ClassVar[str] = "logits"
    """What that is, in words."""
    options: ClassVar[Sequence[ScoreOption]] = ()
    """What users may choose; see `configured`."""
    place: ClassVar[int] = 1000
    """Tables show scores with a smaller one first."""
    needs_predicted_classes: bool = False
    """Whether `refine` reads the predicted classes."""
    by_default: ClassVar[bool] = True
    """Whether the score is computed when no scores are named."""

    @classmethod
    def configured(cls, **options: Any) -> Score:
        """Build the score with some of its options, by keyword; what was chosen enters the name.

        Raises InputError for a value that makes no sense.
        """
        score = cls(**options)
        chosen = (f"{keyword}_{value}".removesuffix(".0") for keyword, value in options.items())
        score.name = "_".join([cls.name, *chosen])
        return score

    @classmethod
    def source_among(cls, provides: Collection[str]) -> str | None:
        """Return which of these fields of `Prediction` the score reads; None where it can read none."""
        return next((name for name in (cls.source, *cls.instead) if name in provides), None)

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        """Return the maps (classes, h, w) that are resized to the image and then reduced."""
        found: list[CoarseMaps | None] = [getattr(prediction, name) for name in (self.source, *self.instead)]
        maps = next((maps for maps in found if maps is not None), None)
        if maps is None:
            raise ValueError(f"the prediction holds no {self.source}, which {self.name} needs")
        return maps

    @abstractmethod
    def reduce(self, statistics: ClassStatistics) -> Tensor:
        """Reduce class maps (classes, rows, width) to the score (rows, width)."""

    def refine(self, score: Tensor, predicted: Tensor | None) -> Tensor:
        """Work on the whole score map (height, width); `predicted` holds the class indices if asked for."""
        return score


ObservedMoments = Mapping[str, "Tensor"]
"""What images add to the statistics of a score, by name: on the CPU, sums as float64."""


class FittedScore(Score):
    """A score with statistics learnt on in-distribution images, each of which adds its moments to the others'."""

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether the statistics are there."""

    @abstractmethod
    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        """Return what one image adds; `label` (height, width) holds class indices, 255 where unlabelled.

        A score that draws pixels seeds its draws by `image_id`, so that every run draws the same.
        """

    @abstractmethod
    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        """Return what the images of both add together.

        The last bits depend on the order: images are added one by one, in theirs.
        """

    @abstractmethod
    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        """Turn what all images add into statistics; return notes that a reader of the numbers needs.

        Raises ValueError where nothing can be learnt from them.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return the statistics as tensors, to be written to a file."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take statistics that `state` returned."""


def sources(scores: Iterable[Score], provides: Collection[str]) -> set[str]:
    """Return the fields of `Prediction` that scores read where there are these."""
    return {name for score in scores if (name := score.source_among(provides)) is not None}


def unfitted(scores: Iterable[Score]) -> list[FittedScore]:
    """Return the scores that lack their statistics."""
    return [score for score in scores if isinstance(score, FittedScore) and not score.fitted]


_CLASSES = "classes"


def class_maps(prediction: Prediction, scores: Sequence[Score]) -> dict[str, CoarseMaps]:
    """Return all that score maps follow from: the maps of each score by its name; scores of one source share theirs.

    Where a score needs the predicted classes there are also `classes`.
    """
    maps = {score.name: score.class_maps(prediction) for score in scores}
    return maps | ({_CLASSES: prediction.class_maps} if any(score.needs_predicted_classes for score in scores) else {})


def reduce_class_maps(maps: Mapping[str, CoarseMaps], scores: Sequence[Score]) -> dict[str, Tensor]:
    """Return the score map (height, width) float32 of every score from what `class_maps` returned."""
    import torch

    results: dict[str, Tensor] = {}
    predicted: Tensor | None = None
    groups: dict[int, tuple[CoarseMaps, list[Score]]] = {}
    for score in scores:
        own = maps[score.name]
        groups.setdefault(id(own), (own, []))[1].append(score)
        results[score.name] = torch.empty(own.size, dtype=torch.float32, device=own.values.device)
    classes = maps.get(_CLASSES)
    if classes is not None:
        groups.setdefault(id(classes), (classes, []))
        predicted = torch.empty(classes.size, dtype=torch.int16, device=classes.values.device)
    for own, members in groups.values():
        for rows, values in own.bands():
            statistics = ClassStatistics(values)
            if predicted is not None and own is classes:
                predicted[rows] = statistics.argmax
            for score in members:
                results[score.name][rows] = score.reduce(statistics)
    return {score.name: score.refine(results[score.name], predicted) for score in scores}


def score_maps(prediction: Prediction, scores: Sequence[Score]) -> dict[str, Tensor]:
    """Return the score map (height, width) float32 of every score, sharing what scores of one source share."""
    return reduce_class_maps(class_maps(prediction, scores), scores)
