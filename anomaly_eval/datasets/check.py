"""The check of a dataset on disk, and the list of what is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from anomaly_eval.datasets.cards import DatasetCard, Task, shipped_cards
from anomaly_eval.datasets.samples import Progress, Sample, SampleSet, check_same_size, locate_samples
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY

SHARE_TOLERANCE = 0.1
"""How far the share of anomaly pixels may be from that of the card, relative to it."""


@dataclass(frozen=True)
class CheckReport:
    """What the check of one dataset found."""

    spec: str
    layout: str
    found: int
    expected: int | None
    sizes: dict[tuple[int, int], int]
    """Number of images by (width, height) in pixels."""
    images_without_anomaly: tuple[Path, ...]
    """Empty for a closed-set dataset."""
    anomaly_percent: float | None
    """Share of anomaly pixels among all pixels, void included; None for a closed-set dataset."""
    expected_anomaly_percent: float | None
    problems: tuple[str, ...]
    """Each in one sentence that names the file; missing images are no problem, see `complete`, surplus ones are."""

    @property
    def complete(self) -> bool:
        """Whether exactly as many images were found as the card expects."""
        return self.expected is None or self.found == self.expected

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with the files that are there."""
        return not self.problems


@dataclass(frozen=True)
class DatasetListing:
    """One variant of a shipped dataset, and what is found of it."""

    name: str
    """How the variant is written on the command line."""
    title: str
    task: Task
    variant: str
    layout: str | None
    """None if nothing was found."""
    found: int
    expected: int | None
    problem: str | None


@dataclass
class _Tally:
    """What is counted while the files are read."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    without_anomaly: list[Path] = field(default_factory=list)
    anomaly_pixels: int = 0
    pixels: int = 0
    problems: list[str] = field(default_factory=list)


def check_dataset(sample_set: SampleSet, progress: Progress | None = None) -> CheckReport:
    """Read every file of a set, as `scan_samples` returns it, and report all that is wrong, without stopping."""
    card, count = sample_set.card, len(sample_set.samples)
    expected = sample_set.expected_images
    tally = _Tally(problems=list(sample_set.problems))
    if expected is not None and count > expected:
        tally.problems.append(
            f"{sample_set.spec} has {count} images instead of {expected}; remove those that do not belong to it from "
            f"{sample_set.samples[0].image.parent}, and their masks from {sample_set.samples[0].label.parent}."
        )
    for done, sample in enumerate(sample_set.samples, start=1):
        _check_sample(sample, card, tally)
        if progress is not None:
            progress(done, count)
    if count and len(tally.without_anomaly) == count:
        nothing = ValueError("there is no anomaly pixel at all, so nothing can be ranked")
        tally.problems.append(str(sample_set.wrong_labels(nothing)))
    percent = 100 * tally.anomaly_pixels / tally.pixels if card.task == "anomaly" and tally.pixels else None
    expected_percent = card.variants[sample_set.variant].anomaly_percent
    if percent is not None and expected_percent is not None and sample_set.complete:
        tally.problems += _check_share(sample_set, percent, expected_percent)
    return CheckReport(
        spec=sample_set.spec,
        layout=sample_set.layout,
        found=count,
        expected=expected,
        sizes=dict(sorted(tally.sizes.items())),
        images_without_anomaly=tuple(tally.without_anomaly),
        anomaly_percent=percent,
        expected_anomaly_percent=expected_percent,
        problems=tuple(tally.problems),
    )


def list_datasets(data_root: Path) -> list[DatasetListing]:
    """Return what is found of each variant of each shipped dataset, without reading the files."""
    return [_list_variant(card, variant, data_root) for card in shipped_cards() for variant in card.variants]


def _check_sample(sample: Sample, card: DatasetCard, tally: _Tally) -> None:
    image = label = None
    try:
        image = sample.read_image()
    except InputError as error:
        tally.problems.append(str(error))
    try:
        label = sample.read_label()
    except InputError as error:
        tally.problems.append(str(error))
    if image is not None:
        size = (image.shape[1], image.shape[0])
        tally.sizes[size] += 1
        if card.size is not None and size != card.size:
            tally.problems.append(
                f"the image {sample.image} is {size[0]}x{size[1]} pixels, but {card.name} has "
                f"{card.size[0]}x{card.size[1]}; use the original image."
            )
    if label is None:
        return
    if image is not None:
        try:
            check_same_size(sample, image, label)
        except InputError as error:
            tally.problems.append(str(error))
    if card.task == "anomaly":
        anomalies = int(np.count_nonzero(label == ANOMALY))
        tally.anomaly_pixels += anomalies
        tally.pixels += label.size
        if anomalies == 0:
            tally.without_anomaly.append(sample.image)


def _check_share(sample_set: SampleSet, percent: float, expected: float) -> list[str]:
    if abs(percent - expected) <= SHARE_TOLERANCE * expected:
        return []
    return [
        f"{percent:.3g} % of the pixels of {sample_set.spec} are anomalies instead of {expected:.3g} %; check the "
        f"masks in {sample_set.samples[0].label.parent}."
    ]


def _list_variant(card: DatasetCard, variant: str, data_root: Path) -> DatasetListing:
    layout, count, problem = None, 0, None
    try:
        found = locate_samples(card, variant, data_root)
        if found is not None:
            layout, count = found.layout, len(found.samples)
            problem = found.problems[0] if found.problems else None
    except InputError as error:
        problem = str(error)
    return DatasetListing(
        name=card.spec(variant),
        title=card.title_of(variant),
        task=card.task,
        variant=variant,
        layout=layout,
        found=count,
        expected=card.variants[variant].images,
        problem=problem,
    )
