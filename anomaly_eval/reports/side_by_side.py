"""Image, label and the score maps of several methods side by side, an image a row (Fig. 4)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_eval.labels import ANOMALY, VOID
from anomaly_eval.reports.heatmap_figure import COLOUR_MAP
from anomaly_eval.reports.percentiles import percentiles

_DPI = 144
_COLUMN_WIDTH = 2.6
_LIMITS = (1.0, 99.0)
_LABEL_COLOURS = {ANOMALY: (255, 110, 0), VOID: (130, 130, 130)}


@dataclass(frozen=True)
class ComparedImage:
    """image: uint8 (H, W, 3) RGB. label: uint8 (H, W), 0, 1 or 255. scores: float32 (H, W) by method, finite."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    scores: Mapping[str, NDArray[np.float32]]


def draw_side_by_side(images: Sequence[ComparedImage]) -> bytes:
    """Return a PNG file; each method has one colour scale for all rows, from its 1st to its 99th percentile.

    Raises ValueError where there is no image.
    """
    if not images:
        raise ValueError("there is no image to draw")
    methods = list(images[0].scores)
    columns = 2 + len(methods)
    height, width = images[0].label.shape
    size = (_COLUMN_WIDTH * columns, _COLUMN_WIDTH * height / width * len(images) + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(images), columns, squeeze=False)
    limits = {method: _limits(images, method) for method in methods}
    for row, shown in enumerate(images):
        axes[row, 0].imshow(shown.image)
        axes[row, 1].imshow(_label_picture(shown))
        for column, method in enumerate(methods, start=2):
            low, high = limits[method]
            axes[row, column].imshow(shown.scores[method], cmap=COLOUR_MAP, vmin=low, vmax=high)
    for axis, title in zip(axes[0], ["image", "anomaly", *methods], strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _limits(images: Sequence[ComparedImage], method: str) -> tuple[float, float]:
    low, high = percentiles(lambda: [shown.scores[method][shown.label != VOID] for shown in images], _LIMITS) or (0, 1)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _label_picture(shown: ComparedImage) -> NDArray[np.uint8]:
    """Return the image in pale grey with anomalies and void in colours of their own."""
    grey = 128 + shown.image.mean(axis=2, keepdims=True) / 2
    picture = np.broadcast_to(grey, shown.image.shape).astype(np.uint8)
    for value, colour in _LABEL_COLOURS.items():
        picture[shown.label == value] = colour
    return picture
