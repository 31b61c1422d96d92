"""Rows of a grid: what networks say of one image, the number it is ranked by, and the figure of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_eval.datasets.prefetch import Loaded
from anomaly_eval.datasets.samples import Sample
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import predicted_classes
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.arrays import NothingToMeasureError
from anomaly_eval.metrics.closed_set import ClosedSetState
from anomaly_eval.metrics.per_image import PerImageState
from anomaly_eval.reports.figures.anomaly_grid import ComparedImage, common_scales, draw_anomaly_grid
from anomaly_eval.reports.figures.class_grid import SegmentedImage, draw_class_grid
from anomaly_eval.results.titles import method_name
from anomaly_eval.scores import Score, score_maps
from anomaly_eval.segmenters.base import predict
from anomaly_eval.studies.grid.grid_networks import NamedNetwork

Measured = dict[str, float]
"""Numbers of one image in percent, by the name of the measure; empty where there is nothing to measure."""


class GridRows(Protocol):
    """Takes in images one after the other, each with a caption, and draws them in the end."""

    def measure(self, loaded: Loaded) -> Measured:
        """Return the numbers of the first method on an image, which is not kept."""

    def add(self, loaded: Loaded, caption: str) -> dict[str, Measured]:
        """Keep an image as large as it is drawn, and return the numbers of each method by its name."""

    def draw(self) -> Figure:
        """Return the figure of all images so far."""

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The colour scale of each method, where colours stand for scores."""


class AnomalyRows:
    """Rows of score maps of each score of each network."""

    def __init__(self, networks: Sequence[NamedNetwork], outline: bool, width: float) -> None:
        """Start without any row."""
        self._networks, self._outline, self._width = networks, outline, width
        self._rows: list[ComparedImage] = []

    def measure(self, loaded: Loaded) -> Measured:
        """Return the ranking metrics of the first score of the first network."""
        sample, image, label = loaded
        network = self._networks[0]
        ((_, values),) = _maps(network, network.scores[:1], sample, image).items()
        return _ranked(values, label, sample)

    def add(self, loaded: Loaded, caption: str) -> dict[str, Measured]:
        """Keep the score maps of an image; return the ranking metrics of each."""
        sample, image, label = loaded
        maps: dict[str, NDArray[np.float32]] = {}
        for network in self._networks:
            # A single network needs no name in every title.
            prefix = f"{network.name}\n" if len(self._networks) > 1 else ""
            found = _maps(network, network.scores, sample, image)
            maps |= {f"{prefix}{method_name(name)}": values for name, values in found.items()}
        self._rows.append(ComparedImage(image, label, maps, caption).shrunk())
        return {one_line(title): _ranked(values, label, sample) for title, values in maps.items()}

    def draw(self) -> Figure:
        """Return the grid of all images so far."""
        return draw_anomaly_grid(self._rows, self._outline, width=self._width)

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The colour scale of each score."""
        return {one_line(title): scale for title, scale in common_scales(self._rows).items()}


class ClassRows:
    """Rows of the classes that each network predicts."""

    scales: dict[str, tuple[float, float]] = {}  # noqa: RUF012  (never changed: classes have no scale)

    def __init__(self, networks: Sequence[NamedNetwork], classes: Sequence[str], width: float) -> None:
        """Start without any row."""
        self._networks, self._classes, self._width = networks, classes, width
        self._rows: list[SegmentedImage] = []

    def measure(self, loaded: Loaded) -> Measured:
        """Return mean IoU and accuracy of the first network."""
        sample, image, label = loaded
        return self._measured(self._predicted(self._networks[0], sample, image), label)

    def add(self, loaded: Loaded, caption: str) -> dict[str, Measured]:
        """Keep the predictions of an image; return mean IoU and accuracy of each."""
        sample, image, label = loaded
        predictions = {network.name: self._predicted(network, sample, image) for network in self._networks}
        self._rows.append(SegmentedImage(image, label, predictions, caption).shrunk())
        return {name: self._measured(predicted, label) for name, predicted in predictions.items()}

    def draw(self) -> Figure:
        """Return the grid of all images so far."""
        return draw_class_grid(self._rows, self._classes, width=self._width)

    def _measured(self, predicted: NDArray[np.uint8], label: NDArray[np.uint8]) -> Measured:
        state = ClosedSetState(len(self._classes))
        state.update(predicted, label)
        if not state.counts.any():
            return {}
        found = state.compute()
        return {"miou": 100 * found.mean_iou, "accuracy": 100 * found.pixel_accuracy}

    def _predicted(self, network: NamedNetwork, sample: Sample, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return predicted_classes(predict(network.segmenter, image, sample.image).class_maps)


def one_line(title: str) -> str:
    """Return the title of a column as text."""
    return title.replace("\n", ": ")


def _maps(
    network: NamedNetwork, scores: Sequence[Score], sample: Sample, image: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    """Return the score maps (height, width) by score name."""
    with torch.inference_mode():
        maps = score_maps(predict(network.segmenter, image, sample.image), scores)
        return {name: values.cpu().numpy() for name, values in maps.items()}


def _ranked(values: NDArray[np.float32], label: NDArray[np.uint8], sample: Sample) -> Measured:
    state = PerImageState()
    try:
        state.update(values, label, sample.id)
        found = state.compute()
    except NothingToMeasureError:
        return {}
    except ValueError as error:
        raise InputError(f"a score of {sample.image} cannot be ranked: {error}; correct what computes it.") from error
    return {metric.key: metric.written(found.means[metric.key]) for metric in registry.RANKING}
