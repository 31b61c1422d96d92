"""One dataset x score maps, of a network or of files, to rows of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.pixel_hashes import PixelHashes
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.doubts import doubts_about
from anomaly_eval.evaluation.image_work import Take, Work, score_computation
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.evaluation.measure_options import DEFAULT_MEASURES, Measures
from anomaly_eval.evaluation.measures import MEMORY_BUDGET, MethodState, bootstrap_rows, method_counts, per_image_rows
from anomaly_eval.evaluation.operating_points import KnownThreshold, PointStates, choose_thresholds, parse_goals
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import NothingToMeasureError, rounded_to_float32
from anomaly_eval.metrics.components import ComponentState
from anomaly_eval.metrics.curves import thinned_curve
from anomaly_eval.metrics.labels import ANOMALY, VOID
from anomaly_eval.metrics.ranking import RankingMetrics, ranking_metrics
from anomaly_eval.metrics.rates import best_f1
from anomaly_eval.results.curves import Distribution
from anomaly_eval.results.image_counts import DatasetCounts
from anomaly_eval.results.records import (
    ComponentRow,
    DatasetRecord,
    DifferenceRow,
    IntervalRow,
    OperatingRow,
    PerImageRow,
    Row,
)
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import ScoreSource

_CURVE_POINTS = 500
_Rows = TypeVar("_Rows")

Observer = Callable[[SampleSet, Sample, NDArray[np.uint8], NDArray[np.uint8], Mapping[str, NDArray[np.float32]]], None]
"""Called with dataset, sample, image, label and the score maps (height, width) by the name of the method."""


def every(*observers: Observer | None) -> Observer | None:
    """Return an observer that calls all that there are, in their order; None where there are none."""
    known = [observer for observer in observers if observer is not None]

    def call(
        samples: SampleSet,
        sample: Sample,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        maps: Mapping[str, NDArray[np.float32]],
    ) -> None:
        for observer in known:
            observer(samples, sample, image, label, maps)

    return call if known else None


@dataclass
class _Tally:
    """What is counted beside the metrics."""

    without_anomaly: int = 0
    void_pixels: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    hashes: PixelHashes = field(default_factory=PixelHashes)
    ids: list[str] = field(default_factory=list)

    def add(self, sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        self.ids.append(sample.id)
        self.hashes.add(image, label)
        self.without_anomaly += int(not (label == ANOMALY).any())
        self.void_pixels += int(np.count_nonzero(label == VOID))
        self.sizes.add((label.shape[1], label.shape[0]))

    @property
    def hashes_by_id(self) -> list[str]:
        """The hash of each image with its label, in the order of the ids, in which the bootstrap draws."""
        return [found for _, found in sorted(zip(self.ids, self.hashes.of_images, strict=True))]


@dataclass(frozen=True)
class AnomalyFindings:
    """Rows of each method on one dataset, and the images behind them; what was not asked for is empty."""

    rows: list[Row]
    distributions: list[Distribution]
    record: DatasetRecord
    intervals: list[IntervalRow]
    differences: list[DifferenceRow]
    per_image: list[PerImageRow]
    components: list[ComponentRow]
    counts: DatasetCounts | None
    """Of each image, from which differences between runs follow."""
    chosen: list[KnownThreshold]
    """The thresholds that were asked for, to be measured on this dataset and on others."""
    operating_points: list[OperatingRow]
    """Of the thresholds that were given."""
    warnings: list[str]
    """What was asked for and cannot be computed on this dataset, each with the reason."""


class AnomalyEvaluation:
    """What a source of score maps gives on one dataset, found in one pass over its images or two.

    Run `first` over all images, then what `second` returns, and ask for the `findings`.
    """

    def __init__(
        self,
        source: ScoreSource,
        samples: SampleSet,
        clock: Clock,
        measures: Measures = DEFAULT_MEASURES,
        *,
        records: Records | None = None,
        observer: Observer | None = None,
        thresholds: Sequence[KnownThreshold] = (),
    ) -> None:
        """Take what is to be measured, and what else looks at each image.

        thresholds: what is also measured, even on a dataset without any anomaly pixel, of which nothing else is.
        records: where what is kept of finished images lies. Raises InputError for a dataset without anomaly labels.
        """
        check_rankable(samples)
        self.samples = samples
        self._clock, self._measures, self._observer = clock, measures, observer
        self._compute, self._records = score_computation(source, samples, clock), records
        self._finish = lambda outputs: source.maps(outputs, clock)
        self._track = measures.track_for(samples)
        limit = MEMORY_BUDGET // max(1, len(source.methods))
        self._states = {method: MethodState(measures, limit) for method in source.methods}
        self._given = measures.component_thresholds(source.methods) if self._track is not None else {}
        self._components = self._component_states(self._given)
        self._has_thresholds, self._points = bool(thresholds), PointStates(thresholds)
        self._tally, self._ranked, self._warnings = _Tally(), _Ranked(), list[str]()

    @property
    def first(self) -> Work:
        """What is done in the pass over all images.

        It raises InputError for an unusable image or label, and for NaN in logits or scores; the message names the
        file.
        """
        return self._work(self._take)

    def second(self) -> Work | None:
        """Compute the metrics of the pool, and return what is done in a second pass, if there is anything.

        Component metrics at thresholds of the best pixel F1 take one, as these are known only now. Raises InputError
        where no pixel is an anomaly and no thresholds are given.
        """
        if self._has_thresholds and self._tally.without_anomaly == len(self.samples.samples):
            self._warnings.append(
                "there is no anomaly pixel, so nothing is ranked, and of thresholds only false alarms are known"
            )
            self._states = {}
        with self._clock.section("metrics"):
            without_threshold = [name for name in self._states if name not in self._given]
            self._ranked = _compute(self._states, self.samples, self._measures, without_threshold)
        self._warnings += [*self._ranked.doubts, *self._ranked.without_threshold]
        if self._track is None or not self._ranked.best_f1:
            return None
        self._components |= self._component_states(self._ranked.best_f1)
        return self._work(self._take_components)

    def findings(self) -> AnomalyFindings:
        """Return all that was found; what the dataset does not allow is in the warnings."""
        samples, measures, tally, warnings = self.samples, self._measures, self._tally, self._warnings
        with self._clock.section("metrics"):
            counts = method_counts(self._states, self._ranked.metrics)
            resampled = _if_possible("intervals", lambda: bootstrap_rows(samples, counts, measures, warnings), warnings)
        with self._clock.section("input"):
            record = dataset_record(samples, tally.sizes, tally.void_pixels, tally.without_anomaly, tally.hashes)
        per_image = _if_possible("means over images", lambda: per_image_rows(samples, self._states), warnings)
        components = _if_possible("component metrics", self._component_rows, warnings)
        return AnomalyFindings(
            rows=[_row(samples, name, found) for name, found in self._ranked.metrics.items()],
            distributions=self._ranked.distributions,
            record=record,
            intervals=resampled[0] if resampled else [],
            differences=resampled[1] if resampled else [],
            per_image=per_image or [],
            components=components or [],
            counts=DatasetCounts(samples.spec, tally.hashes_by_id, measures.fpr_convention, counts) if counts else None,
            chosen=self._ranked.chosen,
            operating_points=self._points.rows(samples),
            warnings=[f"{samples.spec}: {warning}" for warning in warnings],
        )

    def _work(self, take: Take) -> Work:
        return Work(self._compute, take, self._finish, self._records)

    def _take(self, sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with self._clock.section("metrics"):
            self._tally.add(sample, image, label)
            for name, values in maps.items():
                _update(self._states[name].update, values, label, name, sample)
                if name in self._components:
                    _update(self._components[name].update, values, label, name, sample)
            self._points.update(maps, label, sample)
        if self._observer is not None:
            with self._clock.section("output"):
                # Only maps of files exceed float32, which is what pictures can show.
                shown = {name: rounded_to_float32(values) for name, values in maps.items()}
                self._observer(self.samples, sample, image, label, shown)

    def _take_components(self, sample: Sample, _: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with self._clock.section("metrics"):
            for name in self._ranked.best_f1:
                _update(self._components[name].update, maps[name], label, name, sample)

    def _component_states(self, thresholds: Mapping[str, float]) -> dict[str, ComponentState]:
        if self._track is None:
            return {}
        return {name: ComponentState(self._track, value) for name, value in thresholds.items()}

    def _component_rows(self) -> list[ComponentRow]:
        return [
            _component_row(self.samples, name, self._components[name], name not in self._given)
            for name in self._states
            if name in self._components
        ]


def _if_possible(what: str, measure: Callable[[], _Rows], warnings: list[str]) -> _Rows | None:
    """Measure what was asked for beside the metrics of the pool; a dataset that does not allow it is warned about."""
    try:
        return measure()
    except NothingToMeasureError as error:
        # The metrics of the pool took a pass over all images and are not to be lost.
        warnings.append(f"no {what}, as {error}")
        return None


def check_rankable(samples: SampleSet) -> None:
    """Raise InputError for a dataset whose labels are classes rather than anomalies."""
    if samples.card.task != "anomaly":
        raise InputError(
            f"{samples.spec} is a closed-set dataset without anomalies, so nothing can be ranked on it; evaluate its "
            f"classes, or use it with --fit-dataset."
        )


def _update(
    update: Callable[[NDArray[np.floating], NDArray[np.uint8], str], None],
    values: NDArray[np.floating],
    label: NDArray[np.uint8],
    name: str,
    sample: Sample,
) -> None:
    try:
        update(values, label, sample.id)
    except ValueError as error:
        raise InputError(
            f"the score {name} of {sample.image} cannot be ranked: {error}; correct what computes it."
        ) from error


@dataclass
class _Ranked:
    """What follows from the ranking of each method on one dataset."""

    metrics: dict[str, RankingMetrics] = field(default_factory=dict)
    best_f1: dict[str, float] = field(default_factory=dict)
    """Thresholds, where they are needed."""
    distributions: list[Distribution] = field(default_factory=list)
    """What figures show."""
    doubts: list[str] = field(default_factory=list)
    """What looks wrong about scores."""
    chosen: list[KnownThreshold] = field(default_factory=list)
    without_threshold: list[str] = field(default_factory=list)
    """Goals that no threshold serves, each with the reason."""


def _compute(
    states: Mapping[str, MethodState], samples: SampleSet, measures: Measures, without_threshold: Sequence[str]
) -> _Ranked:
    """Compute the metrics of all scores, and the thresholds that are asked for.

    without_threshold: methods whose components need the threshold of the best F1.
    """
    ranked, goals = _Ranked(), parse_goals(measures.operating_points)
    for name, state in states.items():
        state.finish()
        try:
            counts = state.ranking.counts()
        except ValueError as error:
            raise samples.wrong_labels(error) from error
        ranked.distributions.append(
            Distribution(samples.spec, name, thinned_curve(counts, _CURVE_POINTS), state.ranking.histogram())
        )
        state.release_pixels()
        ranked.metrics[name] = found = ranking_metrics(counts, measures.fpr_convention)
        ranked.doubts += doubts_about(name, counts, found.rates[registry.AUROC.key], name in measures.negate)
        if measures.components is not None and name in without_threshold:
            ranked.best_f1[name] = best_f1(counts).threshold
        chosen, without = choose_thresholds(counts, goals, name, samples.spec)
        ranked.chosen += chosen
        ranked.without_threshold += without
    return ranked


def dataset_record(
    samples: SampleSet,
    sizes: set[tuple[int, int]],
    void_pixels: int,
    without_anomaly: int | None = None,
    hashes: PixelHashes | None = None,
) -> DatasetRecord:
    """Say which images of which sizes, (width, height), were evaluated; hashes all files of the set."""
    return DatasetRecord(
        task=samples.card.task,
        name=samples.spec,
        title=samples.title,
        layout=samples.layout,
        n_images=len(samples.samples),
        expected_images=samples.expected_images,
        n_images_without_anomaly=without_anomaly,
        n_void_pixels=void_pixels,
        image_sizes=sorted(sizes),
        expected_size=samples.card.size,
        card_sha256=samples.card.sha256,
        files_sha256=samples.files_sha256(),
        pixels_sha256=None if hashes is None else hashes.pixels_sha256,
        labels_sha256=None if hashes is None else hashes.labels_sha256,
    )


def _row(samples: SampleSet, method: str, metrics: RankingMetrics) -> Row:
    return Row(
        dataset=samples.spec,
        method=method,
        metrics={metric.key: metric.written(metrics.rates[metric.key]) for metric in registry.RANKING},
        n_images=len(samples.samples),
        n_anomaly_pixels=metrics.n_anomalies,
        n_inlier_pixels=metrics.n_inliers,
    )


def _component_row(samples: SampleSet, method: str, state: ComponentState, from_best_f1: bool) -> ComponentRow:
    found = state.compute()
    return ComponentRow(
        dataset=samples.spec,
        method=method,
        track=state.track.name,
        threshold=state.threshold,
        threshold_from="best_f1" if from_best_f1 else "given",
        metrics=registry.written(registry.COMPONENTS, found),
        n_components=found.n_components,
        n_predicted=found.n_predicted,
    )
