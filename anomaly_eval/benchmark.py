"""One dataset x segmenter x scores to rows of results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.clock import Clock
from anomaly_eval.errors import InputError
from anomaly_eval.labels import ANOMALY, VOID
from anomaly_eval.metrics.ranking import RankingMetrics, RankingState
from anomaly_eval.prediction import Segmenter, refuse_non_finite
from anomaly_eval.processor import available_memory
from anomaly_eval.progress import progress_bar
from anomaly_eval.reading import read_ahead
from anomaly_eval.results import DatasetRecord, Row
from anomaly_eval.samples import Sample, SampleSet
from anomaly_eval.scores import Score, score_maps

Observer = Callable[[SampleSet, Sample, NDArray[np.uint8], NDArray[np.uint8], Mapping[str, NDArray[np.float32]]], None]
"""Called with dataset, sample, image, label and the score maps (height, width) by score name."""


@dataclass
class _Tally:
    """What is counted beside the metrics."""

    without_anomaly: int = 0
    void_pixels: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)

    def add(self, label: NDArray[np.uint8]) -> None:
        self.without_anomaly += int(not (label == ANOMALY).any())
        self.void_pixels += int(np.count_nonzero(label == VOID))
        self.sizes.add((label.shape[1], label.shape[0]))


def evaluate_dataset(
    segmenter: Segmenter,
    samples: SampleSet,
    scores: Sequence[Score],
    console: Console,
    clock: Clock,
    observer: Observer | None = None,
) -> tuple[list[Row], DatasetRecord]:
    """Evaluate all scores in one pass over the images of one dataset.

    Raises InputError for a dataset without anomaly labels or without any anomaly pixel, an unusable image or label,
    and NaN in logits or scores; the message names the file.
    """
    check_rankable(samples)
    states = {score.name: RankingState(len(samples.samples)) for score in scores}
    tally = _Tally()
    with progress_bar(console, samples.spec, len(samples.samples)) as advance:
        for sample, image, label in read_ahead(samples, clock):
            if not tally.sizes:
                _check_memory(samples, label.size, len(scores))
            maps = _score_image(segmenter, sample, image, scores, clock)
            with clock.section("metrics"):
                tally.add(label)
                for name, values in maps.items():
                    _update(states[name], values, label, name, sample)
            if observer is not None:
                with clock.section("output"):
                    observer(samples, sample, image, label, maps)
            advance()
    with clock.section("metrics"):
        metrics = _compute(states, samples)
    with clock.section("input"):
        record = dataset_record(samples, tally.sizes, tally.void_pixels, tally.without_anomaly)
    return [_row(samples, name, found) for name, found in metrics.items()], record


def check_rankable(samples: SampleSet) -> None:
    """Raise InputError for a dataset whose labels are classes rather than anomalies."""
    if samples.card.task != "anomaly":
        raise InputError(
            f"{samples.spec} is a closed-set dataset without anomalies, so nothing can be ranked on it; evaluate its "
            f"classes, or use it with --fit-dataset."
        )


def _check_memory(samples: SampleSet, pixels: int, n_scores: int) -> None:
    """Refuse what cannot fit: until the end of a dataset every score of every pixel is kept, 4 bytes each."""
    needed, free = 4 * len(samples.samples) * pixels * n_scores, available_memory()
    if free is not None and needed > free:
        raise InputError(
            f"{n_scores} scores of {len(samples.samples)} images of {samples.spec} take {needed / 1e9:.1f} GB of "
            f"memory, and {free / 1e9:.1f} GB are free; evaluate fewer --scores at a time."
        )


def _score_image(
    segmenter: Segmenter, sample: Sample, image: NDArray[np.uint8], scores: Sequence[Score], clock: Clock
) -> dict[str, NDArray[np.float32]]:
    """Return the score maps (height, width) of one image on the CPU."""
    with torch.inference_mode():
        with clock.section("forward"):
            prediction = segmenter(image)
        with clock.section("scores"):
            refuse_non_finite(prediction, sample.image)
            maps = score_maps(prediction, scores)
            return {name: values.cpu().numpy() for name, values in maps.items()}


def _update(
    state: RankingState, values: NDArray[np.float32], label: NDArray[np.uint8], name: str, sample: Sample
) -> None:
    try:
        state.update(values, label)
    except ValueError as error:
        raise InputError(f"the score {name} of {sample.image} cannot be ranked: {error}.") from error


def _compute(states: Mapping[str, RankingState], samples: SampleSet) -> dict[str, RankingMetrics]:
    """Compute the metrics of all scores, a few at a time: numpy sorts without holding Python's lock."""
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as pool:
        try:
            return dict(zip(states, pool.map(RankingState.compute, states.values()), strict=True))
        except ValueError as error:
            raise InputError(
                f"{samples.spec}: {error}; check its labels in {samples.samples[0].label.parent}."
            ) from error


def dataset_record(
    samples: SampleSet, sizes: set[tuple[int, int]], void_pixels: int, without_anomaly: int | None = None
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
    )


def _row(samples: SampleSet, method: str, metrics: RankingMetrics) -> Row:
    return Row(
        dataset=samples.spec,
        method=method,
        auroc=100 * metrics.auroc,
        ap=100 * metrics.average_precision,
        fpr95=100 * metrics.fpr95,
        n_images=len(samples.samples),
        n_anomaly_pixels=metrics.n_anomalies,
        n_inlier_pixels=metrics.n_inliers,
    )
