"""Which metrics there are: the one place that names a column of records, files, tables and the page.

A new metric is a new entry of one of the tuples below; what shows metrics reads them from here when it is at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.metrics.counts import ThresholdCounts
from anomaly_eval.metrics.intervals import (
    BinCounts,
    Interval,
    average_precision_interval,
    fpr_at_tpr_interval,
    monotone_interval,
)
from anomaly_eval.metrics.rates import auroc, average_precision, fpr_at_tpr

if TYPE_CHECKING:
    from anomaly_eval.metrics.calibration import CalibrationMetrics
    from anomaly_eval.metrics.closed_set import ClassMetrics, ClosedSetMetrics
    from anomaly_eval.metrics.components import ComponentMetrics
    from anomaly_eval.metrics.operating_points import OperatingCounts

Source = TypeVar("Source")


@dataclass(frozen=True)
class Unit:
    """What a number is multiplied by before it is written, and how many decimals readers see of it."""

    factor: int = 1
    digits: int = 2


PERCENT = Unit(factor=100)
PLAIN = Unit(digits=4)
COUNT = Unit()


@dataclass(frozen=True, kw_only=True)
class Metric(Generic[Source]):
    """A number and what it is called.

    key: in files, a Python name. title: for readers, in plain characters. of: computes it from what was counted.
    """

    key: str
    title: str
    of: Callable[[Source], float]
    higher_is_better: bool = True
    unit: Unit = PERCENT

    @property
    def heading(self) -> str:
        """The title of a column, with an arrow to where better numbers are."""
        return f"{self.title} {'↑' if self.higher_is_better else '↓'}"

    def written(self, value: float) -> float:
        """Return a value in the unit in which it is written."""
        return self.unit.factor * value


@dataclass(frozen=True, kw_only=True)
class RankingMetric(Metric[ThresholdCounts]):
    """A metric of how scores rank pixels: a rate in [0, 1].

    definition: in words, what others may define otherwise. bounds: its interval where scores are binned; the default
    is right where it only ever rises, or only ever falls, when anomalies overtake inliers. conventions: definitions of
    a metric that `of` and `bounds` read off by one of several conventions, an argument of theirs.
    """

    definition: str
    of: Callable[..., float]
    bounds: Callable[..., Interval] | None = None
    conventions: Mapping[Convention, str] = field(default_factory=dict)

    def by(self, convention: Convention) -> RankingMetric:
        """Return the metric as a convention reads it off; most know none and stay as they are."""
        if not self.conventions:
            return self
        return replace(
            self,
            definition=self.conventions[convention],
            of=partial(self.of, convention=convention),
            bounds=None if self.bounds is None else partial(self.bounds, convention=convention),
        )

    def interval(self, counts: BinCounts) -> Interval:
        """Return the value where all pixels of a bin tie, and the least and largest that it can truly be."""
        return monotone_interval(counts, self.of) if self.bounds is None else self.bounds(counts)


_FPR95_CONVENTIONS: Mapping[Convention, str] = {
    "first_geq": "first_geq: false-positive rate at the first threshold with a true-positive rate >= 0.95",
    "first_gt": "first_gt: false-positive rate at the first threshold with a true-positive rate > 0.95 (as in RbA)",
    "interpolated": (
        "interpolated: false-positive rate interpolated linearly at a true-positive rate of 0.95 (as in ood_metrics)"
    ),
    "nearest": (
        "nearest: false-positive rate at the threshold with the true-positive rate nearest to 0.95 "
        "(as in torch-uncertainty)"
    ),
}

AUROC = RankingMetric(key="auroc", title="AUROC", of=auroc, definition="ties count one half")
AVERAGE_PRECISION = RankingMetric(
    key="ap",
    title="AP",
    of=average_precision,
    bounds=average_precision_interval,
    definition="step-wise sum over distinct thresholds (no interpolation)",
)
FPR95 = RankingMetric(
    key="fpr95",
    title="FPR95",
    of=fpr_at_tpr,
    bounds=fpr_at_tpr_interval,
    higher_is_better=False,
    definition=_FPR95_CONVENTIONS["first_geq"],
    conventions=_FPR95_CONVENTIONS,
)
RANKING: tuple[RankingMetric, ...] = (AUROC, AVERAGE_PRECISION, FPR95)
"""Of all pixels of a set, of each image by itself, and of resamples of the images."""

COMPONENTS: tuple[Metric[ComponentMetrics], ...] = (
    Metric(key="mean_siou", title="sIoU", of=attrgetter("mean_siou")),
    Metric(key="mean_ppv", title="PPV", of=attrgetter("mean_ppv")),
    Metric(key="mean_f1", title="F1", of=attrgetter("mean_f1")),
)

OPERATING_POINTS: tuple[Metric[OperatingCounts], ...] = (
    Metric(key="tpr", title="TPR", of=attrgetter("tpr")),
    Metric(key="fpr", title="FPR", of=attrgetter("fpr"), higher_is_better=False),
    Metric(key="precision", title="Precision", of=attrgetter("precision")),
    Metric(key="f1", title="F1", of=attrgetter("f1")),
    Metric(key="iou", title="IoU", of=attrgetter("iou")),
    Metric(
        key="false_alarms",
        title="False alarms",
        of=attrgetter("false_alarms_per_image"),
        higher_is_better=False,
        unit=COUNT,
    ),
)
"""Of one threshold; false alarms are components an image."""

MIOU: Metric[ClosedSetMetrics] = Metric(key="miou", title="mIoU", of=attrgetter("mean_iou"))
PIXEL_ACCURACY: Metric[ClosedSetMetrics] = Metric(key="aacc", title="aAcc", of=attrgetter("pixel_accuracy"))
CLOSED_SET: tuple[Metric[ClosedSetMetrics], ...] = (
    MIOU,
    Metric(key="macc", title="mAcc", of=attrgetter("mean_accuracy")),
    PIXEL_ACCURACY,
)

CLASSES: tuple[Metric[ClassMetrics], ...] = (
    Metric(key="iou", title="IoU", of=attrgetter("iou")),
    Metric(key="acc", title="Acc", of=attrgetter("accuracy")),
)
"""Of each class by itself."""

ECE: Metric[CalibrationMetrics] = Metric(key="ece", title="ECE", of=attrgetter("ece"), higher_is_better=False)
CALIBRATION: tuple[Metric[CalibrationMetrics], ...] = (
    ECE,
    Metric(key="mce", title="MCE", of=attrgetter("mce"), higher_is_better=False),
    Metric(key="adaptive_ece", title="aECE", of=attrgetter("adaptive_ece"), higher_is_better=False),
    Metric(key="classwise_ece", title="cwECE", of=attrgetter("classwise_ece"), higher_is_better=False),
    Metric(key="brier", title="Brier", of=attrgetter("brier"), higher_is_better=False, unit=PLAIN),
    Metric(key="nll", title="NLL", of=attrgetter("nll"), higher_is_better=False, unit=PLAIN),
)


def ranking(convention: Convention) -> tuple[RankingMetric, ...]:
    """Return the ranking metrics as a convention reads them off."""
    return tuple(metric.by(convention) for metric in RANKING)


def means_over_images() -> tuple[RankingMetric, ...]:
    """Return the ranking metrics under the names that their means over images have."""
    return tuple(replace(metric, key=f"per_image_{metric.key}", title=f"mean {metric.title}") for metric in RANKING)


def keys(metrics: Iterable[Metric[Any]]) -> list[str]:
    """Return what metrics are called in files."""
    return [metric.key for metric in metrics]


def written(metrics: Iterable[Metric[Source]], source: Source) -> dict[str, float]:
    """Compute metrics by their keys, in the units in which they are written."""
    return {metric.key: metric.written(metric.of(source)) for metric in metrics}
