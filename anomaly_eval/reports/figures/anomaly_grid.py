"""Image, label and the score maps of several methods side by side, an image a row (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import ANOMALY, VOID
from anomaly_eval.reports.figures.outlines import add_outline
from anomaly_eval.reports.figures.panels import panel_grid, show
from anomaly_eval.reports.figures.shrinking import shrink_label, shrink_picture, shrink_scores
from anomaly_eval.reports.figures.style import TWO_COLUMNS, paper_style
from anomaly_eval.reports.heatmap_figure import COLOUR_MAP
from anomaly_eval.reports.percentiles import percentiles

Scales = Mapping[str, tuple[float, float]]
"""Lowest and highest score that the colours tell apart, by method."""

_LIMITS = (1.0, 99.0)
_LABEL_COLOURS = {ANOMALY: (213, 94, 0), VOID: (130, 130, 130)}
_FOOT, _BAR = 0.2, 0.05


@dataclass(frozen=True)
class ComparedImage:
    """image: uint8 (H, W, 3) RGB. label: uint8 (H, W), 0, 1 or 255. scores: float32 (H, W) by method.

    A method's name may have several lines. caption: a word on the row, or nothing.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    scores: Mapping[str, NDArray[np.float32]]
    caption: str = ""

    def shrunk(self) -> ComparedImage:
        """Return it as large as it will be drawn; one that is small enough already stays the same."""
        return replace(
            self,
            image=shrink_picture(self.image),
            label=shrink_label(self.label),
            scores={method: shrink_scores(values) for method, values in self.scores.items()},
        )


def common_scales(images: Sequence[ComparedImage]) -> dict[str, tuple[float, float]]:
    """Return the 1st and the 99th percentile of each method over the pixels of all images that are not void."""
    return {method: _limits(images, method) for method in images[0].scores}


@paper_style()
def draw_anomaly_grid(
    images: Sequence[ComparedImage], outline: bool = True, scales: Scales | None = None, width: float = TWO_COLUMNS
) -> Figure:
    """Return a grid in which each method has one colour scale for all rows; scores beyond it are clipped.

    outline: whether the labelled anomaly is outlined beside the image. scales: by default those of `common_scales`,
    of the images as they are drawn. Raises ValueError where there is no image, and where images have other methods.
    """
    if not images:
        raise ValueError("there is no image to draw")
    methods = list(images[0].scores)
    if any(list(shown.scores) != methods for shown in images):
        raise ValueError("all images need scores of the same methods")
    rows = [shown.shrunk() for shown in images]
    scales = common_scales(rows) if scales is None else scales
    figure, axes = panel_grid(
        aspects=[shown.label.shape[0] / shown.label.shape[1] for shown in rows],
        titles=["image", "anomaly", *methods],
        captions=[shown.caption for shown in rows],
        width=width,
        foot=_FOOT,
    )
    for panels, shown in zip(axes, rows, strict=True):
        show(panels[0], shown.image)
        show(panels[1], _label_picture(shown))
        for panel, method in zip(panels[2:], methods, strict=True):
            low, high = scales[method]
            show(panel, shown.scores[method], cmap=COLOUR_MAP, vmin=low, vmax=high)
        for panel in panels[1:] if outline else ():
            add_outline(panel, shown.label == ANOMALY)
    for panel, method in zip(axes[-1, 2:], methods, strict=True):
        _add_colour_bar(figure, panel, scales[method])
    return figure


def _limits(images: Sequence[ComparedImage], method: str) -> tuple[float, float]:
    low, high = percentiles(lambda: [shown.scores[method][shown.label != VOID] for shown in images], _LIMITS) or (0, 1)
    # Colours need a range that float32 can tell apart.
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - max(1.0, abs(low)) * 0.5, high + max(1.0, abs(high)) * 0.5
    return low, high


def _label_picture(shown: ComparedImage) -> NDArray[np.uint8]:
    """Return the image in pale grey with anomalies and void in colours of their own."""
    grey = 128 + shown.image.mean(axis=2, keepdims=True) / 2
    picture = np.broadcast_to(grey, shown.image.shape).astype(np.uint8)
    for value, colour in _LABEL_COLOURS.items():
        picture[shown.label == value] = colour
    return picture


def _add_colour_bar(figure: Figure, above: Axes, scale: tuple[float, float]) -> None:
    """Draw a thin bar below a column, with the ends of its scale."""
    height, place = figure.get_figheight(), above.get_position()
    axes = figure.add_axes((place.x0, place.y0 - 1.6 * _BAR / height, place.width, _BAR / height))
    bar = figure.colorbar(ScalarMappable(Normalize(*scale), COLOUR_MAP), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.set_ticks(list(scale), labels=[_short(limit, scale) for limit in scale])
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set(ha=side, fontsize=5)
    axes.tick_params(length=0, pad=1)


def _short(limit: float, scale: tuple[float, float]) -> str:
    """Write an end of a scale with as few digits as tell both ends apart."""
    digits = next((n for n in range(2, 9) if f"{scale[0]:.{n}g}" != f"{scale[1]:.{n}g}"), 9)
    return f"{limit:.{digits}g}".replace("-", "−")  # noqa: RUF001  (the minus of all other numbers)
