"""One figure: an image beside its score map, both with the outline of the labelled anomaly."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import Stroke
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from anomaly_eval.metrics.labels import ANOMALY, VOID
from anomaly_eval.reports.figures.style import legend_names, legible

COLOUR_MAP = "inferno"

# Sizes in pixels of the figure.
_WIDTH = 1600
# A power of two: sizes are given in inches, and come out as exact numbers of pixels.
_DPI = 128
_PANEL_WIDTH, _PANEL_HEIGHT = 664, 498
_MARGIN, _TOP, _BOTTOM = 24, 64, 76
_BAR_GAP, _BAR_WIDTH, _BAR_HEIGHT = 18, 20, 300
_TITLE_POINTS, _TEXT_POINTS, _CAPTION_POINTS = 11.5, 9.5, 8.5
_LONGEST_TITLE = 110
_MOST_DIGITS = 8
_STRIPE = 7


@dataclass(frozen=True)
class Scale:
    """The colours' scale, one for all images of a method and dataset."""

    low: float
    high: float
    n_images: int
    """Over how many images the 1st and the 99th percentile, `low` and `high`, were taken."""

    @property
    def digits(self) -> int:
        """How many significant digits tell values on the scale apart."""
        largest = max(abs(self.low), abs(self.high))
        return 4 + max(0, round(math.log10(largest / (self.high - self.low))))

    @property
    def text(self) -> str:
        """The limits in words."""
        images = "1 image" if self.n_images == 1 else f"{self.n_images} images"
        low, high = (f"{limit:.{self.digits}g}" for limit in (self.low, self.high))
        return (
            f"colour scale: 1st to 99th percentile ({low} to {high}) "
            f"over the pixels of {images} that are not void, values beyond are clipped"
        )


@dataclass(frozen=True)
class HeatmapContent:
    """What one figure shows. image: uint8 (H, W, 3) RGB. label: uint8 (H, W), 0 inlier, 1 anomaly, 255 void.

    score: float32 (H, W), any values.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    score: NDArray[np.float32]


def draw_heatmap(shown: HeatmapContent, scale: Scale, method: str, title: str) -> bytes:
    """Return the figure as a PNG file, 1600 pixels wide; the limits are also in its `Description`.

    method: the name of the score as it is to be read. title: printed above the figure.
    """
    width, height = _panel_size(*shown.label.shape)
    content = max(height, _BAR_HEIGHT)
    total = _TOP + content + _BOTTOM
    figure = Figure(figsize=(_WIDTH / _DPI, total / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    outline = _outline(shown.label, width, height)
    pictures = (_shrink(shown.image, width, height), _score_picture(shown, scale, width, height))
    for index, picture in enumerate(pictures):
        left = _MARGIN + index * (_PANEL_WIDTH + _MARGIN) + (_PANEL_WIDTH - width) // 2
        axes = _axes(figure, left, _TOP + (content - height) // 2, width, height)
        axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        _draw_outline(axes, outline, thickness=(2.7, 1.2) if index == 0 else (1.7, 0.7))
    bar_left = 2 * (_MARGIN + _PANEL_WIDTH) + _BAR_GAP
    _draw_colour_bar(figure, _axes(figure, bar_left, _TOP, _BAR_WIDTH, content), scale, method)
    shown_title = legible(title)
    size = _TITLE_POINTS * min(1.0, _LONGEST_TITLE / max(1, len(shown_title)))
    _write(figure, shown_title, _TOP / 2, size, total)
    for line, text in enumerate(_caption(shown, scale, outline is not None)):
        _write(figure, text, total - _BOTTOM + 24 + 26 * line, _CAPTION_POINTS, total)
    return _png(figure, {"Title": title, "Description": scale.text})


def _png(figure: Figure, texts: dict[str, str]) -> bytes:
    """Return a PNG file without the alpha channel, an eighth smaller than with it."""
    information = PngInfo()
    for key, text in texts.items():
        information.add_itxt(key, text)
    pixels, file = io.BytesIO(), io.BytesIO()
    figure.savefig(pixels, format="rgba", dpi=_DPI)
    picture = np.frombuffer(pixels.getvalue(), np.uint8).reshape(-1, _WIDTH, 4)[..., :3]
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "png", pnginfo=information)
    return file.getvalue()


def _panel_size(height: int, width: int) -> tuple[int, int]:
    """Return the (width, height) in pixels at which an image fits into a panel."""
    factor = min(_PANEL_WIDTH / width, _PANEL_HEIGHT / height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _shrink(picture: NDArray[np.uint8] | NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Resize to the panel's own pixels, each the mean of what it covers; colours become 0 to 1."""
    # Nothing is resampled after this, which keeps the figure crisp.
    resized = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
    return np.asarray(resized / 255 if resized.dtype == np.uint8 else resized, np.float32)


def _score_picture(shown: HeatmapContent, scale: Scale, width: int, height: int) -> NDArray[np.float32]:
    """Return the score map in colours (height, width, 3), void under stripes, no-number in plain grey."""
    known = ~np.isnan(shown.score)
    # In float64, as the limits may lie beyond the largest float32.
    share = (shown.score.astype(np.float64) - scale.low) / (scale.high - scale.low)
    clipped = np.where(known, np.clip(share, 0, 1), 0).astype(np.float32)
    weight = _shrink(known.astype(np.float32), width, height)
    mean = _shrink(clipped, width, height) / np.maximum(weight, 1e-6)
    colours = np.asarray(colormaps[COLOUR_MAP](mean)[..., :3], np.float32)
    colours[weight < 0.5] = 0.8
    void = _shrink((shown.label == VOID).astype(np.float32), width, height) >= 0.5
    rows, columns = np.mgrid[:height, :width]
    stripe = (rows + columns) % _STRIPE < 2
    # The darkened colours stay below the grey of the stripes, whatever the score.
    colours[void] = 0.4 * colours[void] + 0.2
    colours[void & stripe] = 0.8
    return colours


def _outline(label: NDArray[np.uint8], width: int, height: int) -> NDArray[np.bool_] | None:
    """Return the anomaly at the panel's size, two pixels larger so that its outline does not cover it."""
    anomaly = label == ANOMALY
    if not anomaly.any():
        return None
    touched = _shrink(anomaly.astype(np.float32), width, height) > 0
    larger = Image.fromarray(touched.astype(np.uint8)).filter(ImageFilter.MaxFilter(5))
    return np.asarray(larger).astype(bool)


def _draw_outline(axes: Axes, outline: NDArray[np.bool_] | None, thickness: tuple[float, float]) -> None:
    """Draw a light line on a wider dark one, in points, which is seen on every ground."""
    if outline is None:
        return
    height, width = outline.shape
    # With a border of zeros, the line closes where the anomaly touches the edge of the image.
    padded = np.pad(outline.astype(np.float32), 1)
    x, y = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
    lines = axes.contour(x, y, padded, levels=[0.5], colors=["white"], linewidths=[thickness[1]])
    strokes = (Stroke(linewidth=points, foreground=colour) for points, colour in zip(thickness, "kw", strict=True))
    lines.set_path_effects(list(strokes))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _draw_colour_bar(figure: Figure, axes: Axes, scale: Scale, method: str) -> None:
    """Draw the colour bar with arrows at both ends, as values lie beyond the limits."""
    colours = ScalarMappable(Normalize(scale.low, scale.high), COLOUR_MAP)
    bar = figure.colorbar(colours, cax=axes, extend="both", extendfrac=0.04)
    bar.ax.tick_params(labelsize=_TEXT_POINTS)
    # An offset is harder to read than a few more digits, but many digits would not fit.
    bar.ax.ticklabel_format(axis="y", useOffset=scale.digits > _MOST_DIGITS)
    bar.set_label(f"{legend_names([method])[method]}\nhigher = more anomalous", fontsize=_TEXT_POINTS, parse_math=False)


def _caption(shown: HeatmapContent, scale: Scale, has_anomaly: bool) -> list[str]:
    """Return the two lines below the figure."""
    parts = ["outline: labelled anomaly" if has_anomaly else "no pixel is labelled as an anomaly"]
    if (shown.label == VOID).any():
        parts.append("striped: void, not evaluated")
    if np.isnan(shown.score).any():
        parts.append("plain light grey: no score")
    texts = (scale.text, "; ".join(parts))
    return [f"{text[0].upper()}{text[1:]}." for text in texts]


def _axes(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    """Add axes at these pixels of the figure, counted from its upper left corner."""
    total_width, total_height = figure.get_size_inches() * _DPI
    bottom = total_height - top - height
    return figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))


def _write(figure: Figure, text: str, down: float, points: float, total: int) -> None:
    """Write a line at the left margin, `down` pixels below the upper edge; `$` means itself in it."""
    figure.text(_MARGIN / _WIDTH, 1 - down / total, text, fontsize=points, va="center", parse_math=False)
