"""Thresholds of methods: chosen on a dataset, measured on it and on others, and read from a file of an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.image_work import Work, score_computation
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.counts import ThresholdCounts
from anomaly_eval.metrics.operating_points import Goal, ThresholdState, threshold_for
from anomaly_eval.results.records import OperatingRow
from anomaly_eval.results.thresholds import Behind, check_same_scores, read_thresholds
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import ScoreSource


@dataclass(frozen=True)
class KnownThreshold:
    """A threshold of a method, what it was chosen for, and the dataset that it was chosen on."""

    method: str
    point: str
    learnt_on: str
    value: float


class PointStates:
    """Counts what thresholds do on the images of one dataset."""

    def __init__(self, thresholds: Iterable[KnownThreshold]) -> None:
        """Take the thresholds of any methods."""
        self._states = [(one, ThresholdState(one.value)) for one in thresholds]

    def update(self, maps: Mapping[str, NDArray[np.floating]], label: NDArray[np.uint8], sample: Sample) -> None:
        """Add the score maps of an image, by method; raises InputError for NaN in one of them."""
        for one, state in self._states:
            try:
                state.update(maps[one.method], label, sample.id)
            except ValueError as error:
                raise InputError(f"the score {one.method} of {sample.image} cannot be used: {error}.") from error

    def rows(self, samples: SampleSet) -> list[OperatingRow]:
        """Return a row for each threshold."""
        return [_row(samples.spec, one, state) for one, state in self._states]


class ThresholdEvaluation:
    """What thresholds give on a dataset that was evaluated before, found in a pass of its own over the same images."""

    def __init__(
        self,
        source: ScoreSource,
        samples: SampleSet,
        clock: Clock,
        thresholds: Sequence[KnownThreshold],
        records: Records | None = None,
    ) -> None:
        """Take the score maps and the thresholds, which are of methods of the source."""
        self._states, self._samples, self._clock = PointStates(thresholds), samples, clock
        compute = score_computation(source, samples, clock)
        self.work = Work(compute, self._take, lambda outputs: source.maps(outputs, clock), records)

    def rows(self) -> list[OperatingRow]:
        """Return a row for each threshold."""
        return self._states.rows(self._samples)

    def _take(self, sample: Sample, _: NDArray[np.uint8], label: NDArray[np.uint8], maps: Arrays) -> None:
        with self._clock.section("metrics"):
            self._states.update(maps, label, sample)


def parse_goals(words: Sequence[str]) -> list[Goal]:
    """Read the goals of --operating-points; raises InputError for one that is none. The same twice is one."""
    goals: dict[Goal, None] = {}
    for word in words:
        try:
            goals[Goal.parse(word)] = None
        except ValueError as error:
            raise InputError(f"--operating-points does not understand {word!r}: {error}.") from error
    return list(goals)


def choose_thresholds(
    counts: ThresholdCounts, goals: Sequence[Goal], method: str, dataset: str
) -> tuple[list[KnownThreshold], list[str]]:
    """Return the thresholds of a method that serve goals on a dataset, and why there is none for the others."""
    chosen, missing = [], []
    for goal in goals:
        value = threshold_for(counts, goal)
        if value is None:
            missing.append(f"no threshold of {method} for {goal}, as more inliers lie above its highest anomaly")
        else:
            chosen.append(KnownThreshold(method, str(goal), dataset, value))
    return chosen, missing


def given_thresholds(
    path: Path, methods: Mapping[str, Behind], negated: Sequence[str] | None = None
) -> tuple[list[OperatingRow], list[str]]:
    """Return what a file of thresholds says of methods, and what cannot be checked of it.

    methods: what the scores of each come from. negated: those that are negated now; None where none can be. Raises
    InputError where the file cannot be read, has no threshold of any, or was made with another network or with other
    statistics.
    """
    found = read_thresholds(path)
    rows = found.of_methods(methods, path, negated)
    warnings = check_same_scores(path, found, {row.method: methods[row.method] for row in rows})
    return rows, warnings


def check_fit_set(path: Path, methods: Sequence[str], samples: SampleSet, files_sha256: str | None = None) -> None:
    """Raise InputError where methods are about to learn from other images than when their thresholds were chosen.

    files_sha256: of the images and labels, where it is known, as files are read for it otherwise.
    """
    found = read_thresholds(path)
    learnt = {name: fit for name in methods if (fit := found.behind(name).fit) is not None}
    if learnt:
        # What else will be noted of them is known, and compared, once they have learnt.
        of_set = {"dataset": samples.spec, "files_sha256": files_sha256 or samples.files_sha256()}
        check_same_scores(
            path, found, {name: Behind(fit=fit.model_copy(update=of_set)) for name, fit in learnt.items()}
        )


def known(row: OperatingRow) -> KnownThreshold:
    """Return the threshold of a row."""
    return KnownThreshold(row.method, row.point, row.learnt_on, row.threshold)


def _row(dataset: str, one: KnownThreshold, state: ThresholdState) -> OperatingRow:
    found = state.compute()
    return OperatingRow(
        dataset=dataset,
        method=one.method,
        point=one.point,
        learnt_on=one.learnt_on,
        threshold=one.value,
        metrics=registry.written(registry.OPERATING_POINTS, found),
        n_images=found.n_images,
        n_anomaly_pixels=found.n_anomalies,
        n_inlier_pixels=found.n_inliers,
        n_false_alarms=found.false_alarms,
    )
