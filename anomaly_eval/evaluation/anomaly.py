"""One dataset x score maps, of a network or of files, to rows of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.pixel_hashes import PixelHashes
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.doubts import doubts_about
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.record import Arrays
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


def evaluate_dataset(
    source: ScoreSource,
    samples: SampleSet,
    passes: Passes,
    observer: Observer | None = None,
    measures: Measures = DEFAULT_MEASURES,
    thresholds: Sequence[KnownThreshold] = (),
) -> AnomalyFindings:
    """Evaluate all methods in one pass over the images of one dataset.

    thresholds: what is also measured, even on a dataset without any anomaly pixel, of which nothing else is. Component
    metrics at the thresholds of the best pixel F1 take a second pass, as these are known only then. Raises InputError
    for a dataset without anomaly labels or, without thresholds, without any anomaly pixel, an unusable image or label,
    and NaN in logits or scores; the message names the file.
    """
    check_rankable(samples)
    console, clock = passes.console, passes.clock
    compute = score_computation(source, samples, clock)

    def finish(outputs: Arrays) -> Arrays:
        return source.maps(outputs, clock)

    track = measures.track_for(samples)
    limit = MEMORY_BUDGET // max(1, len(source.methods))
    states = {method: MethodState(measures, limit) for method in source.methods}
    given = measures.component_thresholds(source.methods) if track is not None else {}
    components = {name: ComponentState(track, value) for name, value in given.items()} if track is not None else {}
    tally, points = _Tally(), PointStates(thresholds)

    def take(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with clock.section("metrics"):
            tally.add(sample, image, label)
            for name, values in maps.items():
                _update(states[name].update, values, label, name, sample)
                if name in components:
                    _update(components[name].update, values, label, name, sample)
            points.update(maps, label, sample)
        if observer is not None:
            with clock.section("output"):
                # Only maps of files exceed float32, which is what pictures can show.
                shown = {name: rounded_to_float32(values) for name, values in maps.items()}
                observer(samples, sample, image, label, shown)

    def take_components(sample: Sample, _: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with clock.section("metrics"):
            for name in ranked.best_f1:
                _update(components[name].update, maps[name], label, name, sample)

    passes.first(samples, samples.spec, Work(compute, take, finish))
    warnings: list[str] = []
    if thresholds and tally.without_anomaly == len(samples.samples):
        warnings.append(
            "there is no anomaly pixel, so nothing is ranked, and of thresholds only false alarms are known"
        )
        states = {}
    with clock.section("metrics"):
        ranked = _compute(states, samples, measures, [name for name in states if name not in given])
        warnings += [*ranked.doubts, *ranked.without_threshold]
    metrics = ranked.metrics
    if track is not None and ranked.best_f1:
        components |= {name: ComponentState(track, threshold) for name, threshold in ranked.best_f1.items()}
        passes.again(samples, f"{samples.spec}, components", Work(compute, take_components, finish))
    with clock.section("metrics"), console.status("bootstrap") if measures.resamples else nullcontext():
        counts = method_counts(states, metrics)
        resampled = _if_possible("intervals", lambda: bootstrap_rows(samples, counts, measures, warnings), warnings)
    with clock.section("input"):
        record = dataset_record(samples, tally.sizes, tally.void_pixels, tally.without_anomaly, tally.hashes)
    per_image = _if_possible("means over images", lambda: per_image_rows(samples, states), warnings)
    component_rows = _if_possible(
        "component metrics",
        lambda: [
            _component_row(samples, name, components[name], name not in given) for name in states if name in components
        ],
        warnings,
    )
    return AnomalyFindings(
        rows=[_row(samples, name, found) for name, found in metrics.items()],
        distributions=ranked.distributions,
        record=record,
        intervals=resampled[0] if resampled else [],
        differences=resampled[1] if resampled else [],
        per_image=per_image or [],
        components=component_rows or [],
        counts=DatasetCounts(samples.spec, tally.hashes_by_id, measures.fpr_convention, counts) if counts else None,
        chosen=ranked.chosen,
        operating_points=points.rows(samples),
        warnings=[f"{samples.spec}: {warning}" for warning in warnings],
    )


def _if_possible(what: str, measure: Callable[[], _Rows], warnings: list[str]) -> _Rows | None:
    """Measure what was asked for beside the metrics of the pool; a dataset that does not allow it is warned about."""
    try:
        return measure()
    except NothingToMeasureError as error:
        # The metrics of the pool took a pass over all images and are not to be lost.
        warnings.append(f"no {what}, as {error}")
        return None


def score_computation(source: ScoreSource, samples: SampleSet, clock: Clock) -> Compute:
    """Return what computes all that the score maps of an image of a dataset follow from."""
    return lambda sample, image, label: source.outputs(samples, sample, image, clock)


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


def measure_thresholds(
    source: ScoreSource, samples: SampleSet, passes: Passes, thresholds: Sequence[KnownThreshold]
) -> list[OperatingRow]:
    """Measure thresholds in a pass of their own over images that were evaluated before; raises as that does."""
    states, clock = PointStates(thresholds), passes.clock

    def take(sample: Sample, _: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with clock.section("metrics"):
            states.update(maps, label, sample)

    work = Work(score_computation(source, samples, clock), take, lambda outputs: source.maps(outputs, clock))
    passes.again(samples, f"{samples.spec}, operating points", work)
    return states.rows(samples)


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
