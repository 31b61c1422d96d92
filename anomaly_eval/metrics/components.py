"""The component metrics of SegmentMeIfYouCan: sIoU of ground-truth components, PPV of predicted ones, and their F1.

Pixel metrics hardly notice a small anomaly that is missed; here each component counts alike, whatever its size. Source:
Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 Datasets and Benchmarks.

All of an image follows from how many pixels each ground-truth component shares with each predicted one. Those counts
are integers, and every sum over the set is exactly rounded, so the order in which images come changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.metrics.arrays import ArrayLike, NothingToMeasureError, as_array, as_scores
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID

# A correctly rounded ratio of pixel counts compares with a correctly rounded k / 20 as the exact numbers do.
THRESHOLDS = np.arange(5, 16) / 20
"""The thresholds of sIoU and PPV that F1 is averaged over: 0.25, 0.30 … 0.75, float64."""


@dataclass(frozen=True)
class Track:
    """A track of the benchmark, with the least sizes of its components in pixels.

    least_predicted: predicted components of fewer pixels are dropped. least_component: ground-truth components of fewer
    pixels become void.
    """

    name: str
    least_predicted: int
    least_component: int


ANOMALY_TRACK = Track("anomaly", least_predicted=500, least_component=100)
OBSTACLE_TRACK = Track("obstacle", least_predicted=50, least_component=10)
TRACKS = {track.name: track for track in (ANOMALY_TRACK, OBSTACLE_TRACK)}


@dataclass(frozen=True)
class ComponentOverlaps:
    """How well components are found, in [0, 1], in no particular order.

    siou: the sIoU of each ground-truth component, (components,) float64. ppv: the PPV of each predicted component,
    (predicted,) float64.
    """

    siou: NDArray[np.float64]
    ppv: NDArray[np.float64]


@dataclass(frozen=True)
class MatchCounts:
    """Components at each of the 11 thresholds t, (11,) int64.

    true_positives: ground-truth components with sIoU ≥ t. false_negatives: those with sIoU < t. false_positives:
    predicted components with PPV < t.
    """

    true_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]
    false_positives: NDArray[np.int64]


@dataclass(frozen=True)
class ComponentMetrics:
    """Rates in [0, 1] over all components of a set, whichever images they lie in.

    mean_siou: over the ground-truth components. mean_ppv: over the predicted components, NaN where there is none. f1:
    2TP / (2TP + FN + FP) at each of the `THRESHOLDS`, (11,) float64. mean_f1: the mean of those. n_components,
    n_predicted: the ground-truth and the predicted components that count.
    """

    mean_siou: float
    mean_ppv: float
    f1: NDArray[np.float64]
    mean_f1: float
    n_components: int
    n_predicted: int


def component_overlaps(predicted: NDArray[np.bool_], label: NDArray[np.uint8], track: Track) -> ComponentOverlaps:
    """Compute the sIoU of each ground-truth component and the PPV of each predicted one in a single image.

    predicted: (h, w) bool, the pixels taken for anomalies. label: (h, w) uint8, 0 inlier, 1 anomaly, 255 void. The
    steps and their order are those of the benchmark:

    1. Predicted pixels on void are removed.
    2. Pixels of anomalies, and predicted pixels, are joined to components by 8-connectivity.
    3. Predicted components below the track's least size are dropped.
    4. Ground-truth components below theirs become void, and predicted components lose the pixels that they have there.
       One that keeps none does not count; another stays a single component and is not dropped for what it lost.

    Let k be a ground-truth component, and P the union of the predicted components that share a pixel with it. Then
    sIoU = |k and P| / (|k or P| - |P on other ground-truth components|), which is 0 where P is empty. The PPV of a
    predicted component is the share of its pixels that lie on ground-truth components.

    Raises ValueError for another shape, another dtype, or another value in the label.
    """
    _check(predicted, label)
    anomalies = label == ANOMALY
    predicted = predicted & (label != VOID)
    shared_pixels = anomalies & predicted
    component, component_sizes = _components(anomalies, track.least_component, shared_pixels)
    prediction, predicted_sizes = _components(predicted, track.least_predicted, shared_pixels)
    rows, columns = len(component_sizes) + 1, len(predicted_sizes) + 1
    counts = np.bincount(component * columns + prediction, minlength=rows * columns).reshape(rows, columns)
    # Row 0 is what became void, column 0 what was dropped.
    predicted_sizes = predicted_sizes - counts[0, 1:]
    shared = counts[1:, 1:]
    hits, on_anomalies = shared.sum(axis=1), shared.sum(axis=0)
    # The denominator of sIoU is k itself and what P has on inliers.
    surplus = (shared > 0) @ (predicted_sizes - on_anomalies)
    left = predicted_sizes > 0
    return ComponentOverlaps(
        siou=hits / (component_sizes + surplus),
        ppv=on_anomalies[left] / predicted_sizes[left],
    )


def match_counts(overlaps: ComponentOverlaps) -> MatchCounts:
    """Count true positives, false negatives and false positives at each of the 11 thresholds, exactly."""
    true_positives = (overlaps.siou >= THRESHOLDS[:, None]).sum(axis=1)
    return MatchCounts(
        true_positives=true_positives,
        false_negatives=len(overlaps.siou) - true_positives,
        false_positives=(overlaps.ppv < THRESHOLDS[:, None]).sum(axis=1),
    )


def component_metrics(overlaps: ComponentOverlaps) -> ComponentMetrics:
    """Compute the metrics from all components of a set; raises ValueError without any ground-truth component."""
    n_components, n_predicted = len(overlaps.siou), len(overlaps.ppv)
    if not n_components:
        raise NothingToMeasureError("there is no ground-truth component at all, so none can be found")
    counts = match_counts(overlaps)
    doubled = 2 * counts.true_positives
    f1 = doubled / (doubled + counts.false_negatives + counts.false_positives)
    # fsum rounds once, so the order of the components changes nothing.
    return ComponentMetrics(
        mean_siou=math.fsum(overlaps.siou) / n_components,
        mean_ppv=math.fsum(overlaps.ppv) / n_predicted if n_predicted else math.nan,
        f1=f1,
        mean_f1=math.fsum(f1) / len(f1),
        n_components=n_components,
        n_predicted=n_predicted,
    )


class ComponentState:
    """Finds components image by image, merges with the state of other images, and computes the metrics exactly."""

    def __init__(self, track: Track, threshold: float) -> None:
        """Start without any image; pixels that score at or above the threshold are predicted to be anomalies.

        The benchmark takes the threshold of the best pixel F1 on the same set. Raises ValueError for NaN.
        """
        if math.isnan(threshold):
            raise ValueError("the threshold is NaN")
        self.track = track
        self.threshold = float(threshold)
        self._siou: list[NDArray[np.float64]] = []
        self._ppv: list[NDArray[np.float64]] = []

    def update(self, scores: ArrayLike, label: ArrayLike, image_id: str = "") -> None:
        """Add an image: scores (h, w) of any floating type, label (h, w) with 0 inlier, 1 anomaly, 255 void.

        Raises ValueError, which names the image where its id is given, for another shape, for NaN among the scores that
        are not on void, and for a label that `component_overlaps` refuses; then nothing is added.
        """
        scores, label = as_scores(scores), as_array(label)
        try:
            overlaps = component_overlaps(self._predicted(scores, label), label, self.track)
        except ValueError as error:
            raise ValueError(f"image {image_id}: {error}" if image_id else str(error)) from None
        self._siou.append(overlaps.siou)
        self._ppv.append(overlaps.ppv)

    def merge(self, other: ComponentState) -> None:
        """Add all images of another state, which stays as it is; raises ValueError for another track or threshold."""
        if other.track != self.track:
            raise ValueError(f"components of {other.track} do not fit those of {self.track}")
        if other.threshold != self.threshold:
            raise ValueError(f"components at threshold {other.threshold} do not fit those at {self.threshold}")
        self._siou.extend(other._siou)
        self._ppv.extend(other._ppv)

    def compute(self) -> ComponentMetrics:
        """Return the metrics of all images so far; raises ValueError where there is no ground-truth component."""
        none = np.empty(0)
        return component_metrics(
            ComponentOverlaps(siou=np.concatenate([none, *self._siou]), ppv=np.concatenate([none, *self._ppv]))
        )

    def _predicted(self, scores: NDArray[np.floating], label: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Threshold the scores, after checking them."""
        if scores.shape != label.shape:
            raise ValueError(f"scores of shape {scores.shape} do not fit a label of shape {label.shape}")
        if (np.isnan(scores) & (label != VOID)).any():
            raise ValueError("the scores hold NaN")
        # In a narrower type the threshold itself would be rounded.
        return np.asarray(scores.astype(np.float64, copy=False) >= self.threshold)


def _components(
    mask: NDArray[np.bool_], least: int, pixels: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join the mask (h, w) to components; return their numbers at some pixels of it, and the sizes of those kept.

    Components of at least so many pixels are kept and numbered from 1, and 0 stands for all others.
    """
    _, found, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    sizes = statistics[:, cv2.CC_STAT_AREA].astype(np.int64)
    kept = sizes >= least
    # The background.
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers[found[pixels]], sizes[kept]


def _check(predicted: NDArray[np.bool_], label: NDArray[np.uint8]) -> None:
    if predicted.shape != label.shape:
        raise ValueError(f"a prediction of shape {predicted.shape} does not fit a label of shape {label.shape}")
    if label.ndim != 2 or not label.size:
        raise ValueError(f"an image (h, w) with pixels was expected, not shape {label.shape}")
    if predicted.dtype != np.bool_ or label.dtype != np.uint8:
        raise ValueError(f"a bool prediction and a uint8 label were expected, not {predicted.dtype} and {label.dtype}")
    known = (label == INLIER) | (label == ANOMALY) | (label == VOID)
    if not known.all():
        raise ValueError(f"the label holds {int(label[~known][0])}, which is not inlier, anomaly or void")
