"""What the page needs of every image: kept small on disk while the images pass by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.arrays import split_by_label
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.metrics.counts import sort_anomalies, threshold_counts
from anomaly_eval.metrics.ranking import ranking_metrics
from anomaly_eval.metrics.runs import Run, Scores
from anomaly_eval.reports.page.cells import Borders, CellCounts, count_cells, fit_borders
from anomaly_eval.reports.page.levels import Levels, pooled_levels
from anomaly_eval.reports.page.thumbnails import jpeg, shrink_label, shrink_scores, thumbnail_size
from anomaly_eval.runtime.temporary import TemporaryStore

LONGEST_MAP, LONGEST_IMAGE = 480, 640


@dataclass(frozen=True)
class KeptMap:
    """One method on one image; the metrics are rates in [0, 1], None where the image cannot be ranked."""

    file: Path
    metrics: dict[str, float] | None


@dataclass
class KeptSample:
    """One image that readers can look at, and the methods on it by name."""

    id: str
    file: Path
    size: tuple[int, int]
    """(width, height) in pixels."""
    n_anomalies: int
    n_inliers: int
    maps: dict[str, KeptMap] = field(default_factory=dict)


class PageStore(TemporaryStore):
    """Thumbnails and pixel counts of images, in a temporary folder that is deleted at the end.

    Use it as a context manager. Memory holds one image, and for each method the borders of its cells, about one
    megabyte. A full-size score map is not kept: its pixels are counted in fine cells, whose borders are fitted to the
    first image of each method and dataset, and thresholds are chosen among those borders.
    """

    def __init__(self, folder: Path, convention: Convention = "first_geq") -> None:
        """Make the temporary folder inside `folder`, which exists.

        convention: how the FPR95 of an image is read off. Raises InputError where the folder cannot be written.
        """
        try:
            super().__init__(folder, ".page-")
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        self._convention = convention
        self._borders: dict[tuple[str, str], Borders] = {}
        self._counts: dict[tuple[str, str], dict[str, Path]] = {}
        self._samples: dict[str, dict[str, KeptSample]] = {}

    def add(
        self,
        dataset: str,
        method: str,
        sample_id: str,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        scores: NDArray[np.float32],
        shown: bool = True,
    ) -> None:
        """Keep what the page needs of one score map; the image and label of a sample are kept once.

        image: uint8 (H, W, 3) RGB. label: uint8 (H, W), 0 inlier, 1 anomaly, 255 void. scores: float32 (H, W), may
        hold infinities, and NaN at void pixels. shown: whether readers can look at the image; its pixels count in the
        pool in any case. Raises ValueError where the shapes differ, for NaN, or where the score map was added before,
        and InputError where the disk is full.
        """
        if image.shape != (*label.shape, 3) or scores.shape != label.shape:
            shapes = f"{image.shape}, {label.shape}, {scores.shape}"
            raise ValueError(f"expected the shapes (H, W, 3), (H, W), (H, W); got {shapes}")
        known = self._counts.setdefault((dataset, method), {})
        if sample_id in known:
            raise ValueError(f"there is a score map for {dataset}, {method}, {sample_id!r} already")
        anomalies, inliers = split_by_label(scores, label, sample_id)
        anomalies.sort()
        inliers.sort()
        counts = self._count(dataset, method, anomalies, inliers)
        file = self._folder / f"map-{sum(map(len, self._counts.values()))}"
        try:
            np.savez(file.with_suffix(".npz"), **{name: part.astype(np.int32) for name, part in vars(counts).items()})
            if shown:
                sample = self._keep_sample(dataset, sample_id, image, label, len(anomalies), len(inliers))
                size = thumbnail_size(label.shape, LONGEST_MAP)
                np.save(file.with_suffix(".npy"), shrink_scores(scores, label, size))
                sample.maps[method] = KeptMap(file.with_suffix(".npy"), self._rank(anomalies, inliers))
        except OSError as error:
            raise _cannot_keep(self._folder.parent, error) from error
        known[sample_id] = file.with_suffix(".npz")

    @property
    def datasets(self) -> list[str]:
        """The datasets in the order in which they came."""
        return list(dict.fromkeys(dataset for dataset, _ in self._counts))

    def methods(self, dataset: str) -> list[str]:
        """Return the methods of a dataset in the order in which they came."""
        return [method for owner, method in self._counts if owner == dataset]

    def samples(self, dataset: str) -> list[KeptSample]:
        """Return the images of a dataset that readers can look at, in the order in which they came."""
        return list(self._samples.get(dataset, {}).values())

    def image_count(self, dataset: str) -> int:
        """Return how many images stand behind the pooled counts of a dataset."""
        return len({sample for (owner, _), files in self._counts.items() if owner == dataset for sample in files})

    def counts(self, dataset: str, method: str, sample_id: str) -> CellCounts:
        """Read back the pixel counts of one score map."""
        with np.load(self._counts[dataset, method][sample_id]) as file:
            return CellCounts(**{name: part.astype(np.int64) for name, part in file.items()})

    def levels(self, dataset: str, method: str) -> Levels:
        """Choose the thresholds of a method on a dataset, for all images added so far."""
        borders = self._borders.get((dataset, method), np.empty(0, np.float32))
        ids = self._counts[dataset, method]
        return pooled_levels(borders, (self.counts(dataset, method, sample_id) for sample_id in ids))

    def image(self, sample: KeptSample) -> bytes:
        """Read back an image, made smaller, as a JPEG file."""
        return sample.file.with_suffix(".jpg").read_bytes()

    def label(self, sample: KeptSample) -> NDArray[np.uint8]:
        """Read back a label, made smaller, uint8 (height, width)."""
        return np.asarray(np.load(sample.file.with_suffix(".label.npy")), np.uint8)

    def score_map(self, sample: KeptSample, method: str) -> NDArray[np.float32]:
        """Read back a score map, made smaller, float32 (height, width)."""
        return np.asarray(np.load(sample.maps[method].file), np.float32)

    def _count(self, dataset: str, method: str, anomalies: Scores, inliers: Scores) -> CellCounts:
        """Count ascending scores; the first image with any fits the cells."""
        key = dataset, method
        if key not in self._borders and len(anomalies) + len(inliers):
            self._borders[key] = fit_borders(np.concatenate([anomalies, inliers]))
        return count_cells(self._borders.get(key, np.empty(0, np.float32)), anomalies, inliers)

    def _rank(self, anomalies: Scores, inliers: Scores) -> dict[str, float] | None:
        """Return the metrics of one image by their keys."""
        if not len(anomalies) or not len(inliers):
            return None
        counts = threshold_counts(sort_anomalies(anomalies), [Run(inliers)])
        return dict(ranking_metrics(counts, self._convention).rates)

    def _keep_sample(
        self,
        dataset: str,
        sample_id: str,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        n_anomalies: int,
        n_inliers: int,
    ) -> KeptSample:
        """Keep the thumbnails of an image and its label, unless another method brought them already."""
        samples = self._samples.setdefault(dataset, {})
        if sample_id not in samples:
            file = self._folder / f"sample-{sum(map(len, self._samples.values()))}"
            file.with_suffix(".jpg").write_bytes(jpeg(image, LONGEST_IMAGE))
            np.save(file.with_suffix(".label.npy"), shrink_label(label, thumbnail_size(label.shape, LONGEST_MAP)))
            size = label.shape[1], label.shape[0]
            samples[sample_id] = KeptSample(sample_id, file, size, n_anomalies, n_inliers)
        return samples[sample_id]


def _cannot_keep(folder: Path, error: OSError) -> InputError:
    """Say in one sentence why nothing can be kept for the page."""
    return InputError(f"cannot keep images for the page in {folder}: {error.strerror or error}; make room for them.")
