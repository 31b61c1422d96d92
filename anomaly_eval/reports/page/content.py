"""The data of the page's own program: thresholds, curves, and each image with its maps."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.curves import Curve
from anomaly_eval.metrics.rates import least_count
from anomaly_eval.metrics.registry import AVERAGE_PRECISION
from anomaly_eval.reports.characters import shortened
from anomaly_eval.reports.heatmap_figure import COLOUR_MAP
from anomaly_eval.reports.page.levels import MOST_LEVELS, Levels
from anomaly_eval.reports.page.store import KeptSample, PageStore
from anomaly_eval.reports.page.thumbnails import png, shrink_label, shrink_scores, thumbnail_size
from anomaly_eval.results.records import DatasetRecord
from anomaly_eval.results.titles import dataset_title, method_name

AllLevels = Mapping[tuple[str, str], Levels]
Curves = Mapping[tuple[str, str], Curve]
_CURVE_DIGITS, _LONGEST_NAME = 5, 80


@dataclass(frozen=True)
class Shown:
    """A dataset of the page, its methods, and the images that readers can look at."""

    name: str
    methods: Sequence[str]
    samples: Sequence[KeptSample]
    n_images: int


def shown_datasets(store: PageStore, curves: Curves) -> list[Shown]:
    """Return the datasets that have images or curves."""
    names = list(dict.fromkeys([*store.datasets, *(dataset for dataset, _ in curves)]))
    return [
        Shown(
            name,
            list(dict.fromkeys([*store.methods(name), *(method for owner, method in curves if owner == name)])),
            store.samples(name),
            store.image_count(name),
        )
        for name in names
    ]


def outline(
    datasets: Sequence[Shown], levels: AllLevels, curves: Curves, records: Sequence[DatasetRecord]
) -> dict[str, Any]:
    """Return all but the pictures: what the page's program needs to start."""
    methods = list(dict.fromkeys(method for dataset in datasets for method in dataset.methods))
    names = shortened(map(method_name, methods), _LONGEST_NAME)
    return {
        "colours": "".join(to_hex(colormaps[COLOUR_MAP](step / (MOST_LEVELS - 1)))[1:] for step in range(MOST_LEVELS)),
        "methods": [names[method_name(method)] for method in methods],
        "metrics": [
            {"key": metric.key, "title": metric.title, "higherIsBetter": metric.higher_is_better}
            for metric in registry.RANKING
        ],
        "sort": AVERAGE_PRECISION.key,
        "datasets": [
            {
                "title": dataset_title(dataset.name, records),
                "images": dataset.n_images,
                "methods": [
                    {
                        "method": methods.index(method),
                        "levels": _levels(levels.get((dataset.name, method))),
                        "curve": _curve(curves.get((dataset.name, method))),
                    }
                    for method in dataset.methods
                ],
                "samples": [_sample(sample, dataset.methods) for sample in dataset.samples],
            }
            for dataset in datasets
        ],
    }


def sample_pictures(
    store: PageStore, dataset: Shown, sample: KeptSample, levels: AllLevels, longest: int
) -> dict[str, Any]:
    """Return the pictures of one image in base64, and its counts at or above the thresholds of each method.

    longest: of the sides of label and maps, in pixels; no more than what the store keeps.
    """
    label = store.label(sample)
    size = thumbnail_size(label.shape, longest)
    maps: list[dict[str, Any] | None] = []
    for method in dataset.methods:
        if method not in sample.maps:
            maps.append(None)
            continue
        own = levels[dataset.name, method]
        anomalies, inliers = own.at_or_above(store.counts(dataset.name, method, sample.id))
        maps.append(
            {
                "levels": _base64(level_picture(store, sample, method, own, size)),
                "anomalies": anomalies.tolist(),
                "inliers": inliers.tolist(),
            }
        )
    return {"image": _base64(store.image(sample)), "label": _base64(png(shrink_label(label, size))), "maps": maps}


def level_picture(store: PageStore, sample: KeptSample, method: str, levels: Levels, size: tuple[int, int]) -> bytes:
    """Return the levels of a score map at a size (height, width) as a PNG file."""
    label = store.label(sample)
    scores = shrink_scores(store.score_map(sample, method), label, size)
    return png(levels.of(scores, shrink_label(label, size)))


def _levels(levels: Levels | None) -> dict[str, Any] | None:
    """Return the thresholds as they are read, and the pooled counts; pixels of a kind are those above the first."""
    if levels is None or not len(levels):
        return None
    true_positives = levels.anomalies
    wanted = least_count(0.95, int(true_positives[0])) if true_positives[0] else 0
    return {
        # JSON has no infinities, and these are only read.
        "thresholds": [_text(value) for value in levels.thresholds],
        "anomalies": true_positives.tolist(),
        "inliers": levels.inliers.tolist(),
        "tpr95": int(np.flatnonzero(true_positives >= wanted)[-1]),
    }


def _text(value: np.float32) -> str:
    """Return the shortest text that stands for exactly this float32."""
    return str(value).replace("inf", "∞")


def _sample(sample: KeptSample, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "id": sample.id,
        "width": sample.size[0],
        "height": sample.size[1],
        "anomalies": sample.n_anomalies,
        "inliers": sample.n_inliers,
        "metrics": [_written(sample.maps[method].metrics) if method in sample.maps else None for method in methods],
    }


def _written(rates: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return metrics in the units in which they are read; JSON has no NaN, which is left out."""
    if rates is None:
        return None
    found = {metric.key: metric.written(rates[metric.key]) for metric in registry.RANKING}
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _curve(curve: Curve | None) -> dict[str, list[float]] | None:
    if curve is None:
        return None
    return {name: _rounded(getattr(curve, name)) for name in ("tpr", "fpr", "precision")}


def _rounded(rates: NDArray[np.float64]) -> list[float]:
    return [float(rate) for rate in np.round(rates, _CURVE_DIGITS)]


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")
