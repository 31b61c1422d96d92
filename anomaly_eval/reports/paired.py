"""Intervals of methods of different runs, and of the differences between them, on the same draws of images.

Every run brings the counts of each image over bins of its own, which is enough: a difference needs the metrics of both
methods on each draw, and the same draws. A group is, on each draw, the mean over its runs, so that its interval speaks
of other images with the same runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import NothingToMeasureError
from anomaly_eval.metrics.bootstrap import RankedCounts, draw_weights
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.entries import Entries
from anomaly_eval.results.image_counts import CountsFile
from anomaly_eval.results.records import DifferenceRow, IntervalRow
from anomaly_eval.results.resamples import (
    MethodCounts,
    Resampled,
    bootstrap_text,
    difference_rows,
    interval_rows,
    mean_of_runs,
    moved_by_bins,
    resample,
)

_OF_GROUPS = (
    "of a group, means over its runs on the same resamples, so that they tell of other images, not of other seeds"
)


@dataclass
class Paired:
    """What was drawn."""

    text: str
    """How intervals came about."""
    intervals: dict[str, list[IntervalRow]] = field(default_factory=dict)
    """By entry."""
    differences: list[DifferenceRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def draw_pairs(entries: Entries, resamples: int, seed: int) -> Paired:
    """Return the intervals of all methods of all entries, and of the difference of each pair on a dataset.

    Raises InputError where nothing was ranked, for a run without counts of each image, and for counts that are not the
    run's, or of other images than those of the first run.
    """
    text = bootstrap_text(resamples, seed)
    paired = Paired(f"{text}; {_OF_GROUPS}" if entries.groups else text)
    if not any(run.results.rows for run in entries.members):
        raise InputError("--bootstrap draws images of anomaly datasets, and these runs have none; leave it out.")
    files = {run.folder: CountsFile(run.folder, run.results) for run in entries.members if run.results.rows}
    for dataset in dict.fromkeys(row.dataset for run in entries.members for row in run.results.rows):
        having = {
            name: runs
            for name, runs in entries.runs_of.items()
            if any(row.dataset == dataset for row in runs[0].results.rows)
        }
        try:
            _draw(dataset, having, files, entries, (resamples, seed), paired)
        except NothingToMeasureError as error:
            paired.warnings.append(f"{dataset}: no intervals, as {error}")
    return paired


def _draw(
    dataset: str,
    having: Mapping[str, Sequence[NamedRun]],
    files: Mapping[Path, CountsFile],
    entries: Entries,
    draws: tuple[int, int],
    paired: Paired,
) -> None:
    """Add the intervals and the differences on one dataset."""
    first = files[next(iter(having.values()))[0].folder]
    images = first.images(dataset)
    if len(images) < 2:
        raise NothingToMeasureError("one image alone says nothing about others")
    weights = draw_weights(len(images), *draws)
    metrics = registry.ranking(first.fpr_convention(dataset))
    found: dict[str, Resampled] = {}
    for entry, runs in having.items():
        own: dict[str, Resampled] = {}
        for method in files[runs[0].folder].methods(dataset):
            name, drawn = entries.method_name(entry, method), []
            for run in runs:
                file = files[run.folder]
                counts = _in_order(file, dataset, method, images)
                shifts, moved = moved_by_bins(counts, metrics)
                if moved.is_visible:
                    what = f"no intervals of {name}" if moved.is_wrong else f"the intervals of {name} are coarse"
                    why = f"bins hold too many different scores, which {moved} in {run.folder}"
                    paired.warnings.append(f"{dataset}: {what}, as {why}")
                if not moved.is_wrong:
                    drawn.append(resample(counts, shifts, weights, metrics))
            if len(drawn) == len(runs):
                own[method] = found[name] = mean_of_runs(drawn)
        paired.intervals.setdefault(entry, []).extend(interval_rows(dataset, own, metrics))
    paired.differences += difference_rows(dataset, found, metrics)


def _in_order(file: CountsFile, dataset: str, method: str, images: Sequence[str]) -> MethodCounts:
    """Return the counts of a method with its images in the order of `images`, whatever their names are."""
    counts, own = file.counts(dataset, method), file.images(dataset)
    if sorted(own) != sorted(images):
        raise InputError(
            f"the images of {dataset} in {file.path} are not those of the first run; leave one of them out."
        )
    order: NDArray[np.int64] = np.empty(len(images), np.int64)
    # Images that are equal, pixel by pixel, are taken in any order.
    order[np.argsort(images, kind="stable")] = np.argsort(own, kind="stable")
    return MethodCounts(RankedCounts(counts.ranked.counts[order]), counts.rates)
