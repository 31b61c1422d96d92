"""What the page needs of every image: kept small on disk while the images pass by."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

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
from anomaly_eval.runtime.temporary_arrays import TemporaryArrays

LONGEST_MAP, LONGEST_IMAGE = 480, 640
_MAP = "map"


@dataclass(frozen=True)
class KeptMap:
    """One method on one image; the metrics are rates in [0, 1], None where the image cannot be ranked."""

    metrics: dict[str, float] | None


@dataclass
class KeptSample:
    """One image that readers can look at, and the methods on it by name."""

    dataset: str
    id: str
    size: tuple[int, int]
    """(width, height) in pixels."""
    n_anomalies: int
    n_inliers: int
    maps: dict[str, KeptMap] = field(default_factory=dict)


class PageStore(TemporaryArrays):
    """Thumbnails and pixel counts of images, in a temporary folder that is deleted at the end.

    Use it as a context manager. Memory holds one image, and for each method the borders of its cells, about one
    megabyte. A full-size score map is not kept: its pixels are counted in fine cells, whose borders are fitted to the
    first image of each method and dataset, and thresholds are chosen among those borders.
    """

    def __init__(self, folder: Path, convention: Convention = "first_geq") -> None:
        """Make the temporary folder inside `folder`, which exists.

        convention: how the FPR95 of an image is read off. Raises InputError where the folder cannot be written.
        """
        super().__init__(folder, ".page-", _cannot_keep)
        self._convention = convention
        self._borders: dict[tuple[str, str], Borders] = {}
        self._ids: dict[tuple[str, str], list[str]] = {}
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
        anomalies, inliers = split_by_label(scores, label, sample_id)
        anomalies.sort()
        inliers.sort()
        counts = self._count(dataset, method, anomalies, inliers)
        arrays: dict[str, NDArray[Any]] = {name: part.astype(np.int32) for name, part in vars(counts).items()}
        if shown:
            arrays[_MAP] = shrink_scores(scores, label, thumbnail_size(label.shape, LONGEST_MAP))
        self.keep(dataset, method, sample_id, **arrays)
        self._ids.setdefault((dataset, method), []).append(sample_id)
        if shown:
            sample = self._keep_sample(dataset, sample_id, image, label, len(anomalies), len(inliers))
            sample.maps[method] = KeptMap(self._rank(anomalies, inliers))

    @property
    def datasets(self) -> list[str]:
        """The datasets in the order in which they came."""
        return list(dict.fromkeys(dataset for dataset, _ in self._ids))

    def methods(self, dataset: str) -> list[str]:
        """Return the methods of a dataset in the order in which they came."""
        return [method for owner, method in self._ids if owner == dataset]

    def samples(self, dataset: str) -> list[KeptSample]:
        """Return the images of a dataset that readers can look at, in the order in which they came."""
        return list(self._samples.get(dataset, {}).values())

    def image_count(self, dataset: str) -> int:
        """Return how many images stand behind the pooled counts of a dataset."""
        return len({one for (owner, _), ids in self._ids.items() if owner == dataset for one in ids})

    def counts(self, dataset: str, method: str, sample_id: str) -> CellCounts:
        """Read back the pixel counts of one score map."""
        names = [field.name for field in fields(CellCounts)]
        return CellCounts(**{name: self.load(dataset, method, sample_id, name=name).astype(np.int64) for name in names})

    def levels(self, dataset: str, method: str) -> Levels:
        """Choose the thresholds of a method on a dataset, for all images added so far."""
        borders = self._borders.get((dataset, method), np.empty(0, np.float32))
        ids = self._ids[dataset, method]
        return pooled_levels(borders, (self.counts(dataset, method, sample_id) for sample_id in ids))

    def image(self, sample: KeptSample) -> bytes:
        """Read back an image, made smaller, as a JPEG file."""
        return self.load(sample.dataset, sample.id, name="image").tobytes()

    def label(self, sample: KeptSample) -> NDArray[np.uint8]:
        """Read back a label, made smaller, uint8 (height, width)."""
        return self.load(sample.dataset, sample.id, name="label")

    def score_map(self, sample: KeptSample, method: str) -> NDArray[np.float32]:
        """Read back a score map, made smaller, float32 (height, width)."""
        return self.load(sample.dataset, method, sample.id, name=_MAP)

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
            small = shrink_label(label, thumbnail_size(label.shape, LONGEST_MAP))
            self.keep(dataset, sample_id, image=np.frombuffer(jpeg(image, LONGEST_IMAGE), np.uint8), label=small)
            size = label.shape[1], label.shape[0]
            samples[sample_id] = KeptSample(dataset, sample_id, size, n_anomalies, n_inliers)
        return samples[sample_id]


def _cannot_keep(folder: Path, error: OSError) -> InputError:
    """Say in one sentence why nothing can be kept for the page."""
    return InputError(f"cannot keep images for the page in {folder}: {error.strerror or error}; make room for them.")
