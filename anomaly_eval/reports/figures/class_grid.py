"""Image, label and the predictions of several networks side by side in the colours of the classes (Fig. 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from anomaly_eval.metrics.labels import VOID
from anomaly_eval.reports.figures.differences import Frame, largest_differences, wrong_pixels
from anomaly_eval.reports.figures.palettes import VOID_COLOUR, class_colours
from anomaly_eval.reports.figures.panels import panel_grid, show
from anomaly_eval.reports.figures.shrinking import shrink_classes, shrink_picture
from anomaly_eval.reports.figures.style import SMALL_POINTS, TWO_COLUMNS, paper_style

_PALE = 0.7
"""How white the pixels become that are right."""
_LEGEND_LINE, _LEGEND_ENTRY, _MOST_NAMED = 0.11, 0.8, 32
_MARKED = "predictions: pale where right, in full colour where wrong"


@dataclass(frozen=True)
class SegmentedImage:
    """image: uint8 (H, W, 3) RGB. label: uint8 (H, W), class ids and 255. predictions: class ids (H, W) by network.

    A network's name may have several lines. caption: a word on the row, or nothing.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    predictions: Mapping[str, NDArray[np.uint8]]
    caption: str = ""

    def shrunk(self) -> SegmentedImage:
        """Return it as large as it will be drawn; one that is small enough already stays the same."""
        return replace(
            self,
            image=shrink_picture(self.image),
            label=shrink_classes(self.label),
            predictions={name: shrink_classes(predicted) for name, predicted in self.predictions.items()},
        )


@paper_style()
def draw_class_grid(
    images: Sequence[SegmentedImage],
    classes: Sequence[str],
    mark_wrong: bool = True,
    frames: int = 2,
    width: float = TWO_COLUMNS,
) -> Figure:
    """Return a grid with the classes named below it, those that cover the most pixels first where they are many.

    mark_wrong: show pixels that are right in pale colours, so that wrong ones stand out, and void ones in black.
    frames: how many regions of each image are framed that some networks have right and others wrong. Raises
    ValueError where there is no image, where images have other networks, and for a class without a name.
    """
    if not images:
        raise ValueError("there is no image to draw")
    names = list(images[0].predictions)
    if any(list(shown.predictions) != names for shown in images):
        raise ValueError("all images need predictions of the same networks")
    rows = [shown.shrunk() for shown in images]
    colours, named = class_colours(classes), _most_frequent(rows, len(classes))
    legend_columns = max(1, int(width / _LEGEND_ENTRY))
    figure, axes = panel_grid(
        aspects=[shown.label.shape[0] / shown.label.shape[1] for shown in rows],
        titles=["image", "label", *names],
        captions=[shown.caption for shown in rows],
        width=width,
        foot=0.08 + _LEGEND_LINE * (mark_wrong + math.ceil((len(named) + 1) / legend_columns)),
    )
    for panels, shown in zip(axes, rows, strict=True):
        show(panels[0], shown.image)
        show(panels[1], coloured(shown.label, colours))
        for panel, predicted in zip(panels[2:], shown.predictions.values(), strict=True):
            show(panel, coloured(predicted, colours, shown.label if mark_wrong else None))
        for frame in largest_differences(list(shown.predictions.values()), shown.label, frames):
            for panel in panels:
                _add_frame(panel, frame)
    handles = [Patch(facecolor=_hex(colours[index]), label=classes[index]) for index in named]
    handles.append(Patch(facecolor=_hex(VOID_COLOUR), label="void"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=min(legend_columns, len(handles)),
        fontsize=SMALL_POINTS,
        title=_MARKED if mark_wrong else None,
        title_fontsize=SMALL_POINTS,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=0.9,
        handletextpad=0.4,
        labelspacing=0.3,
        borderpad=0,
        borderaxespad=0.2,
    )
    return figure


def coloured(
    ids: NDArray[np.uint8], colours: NDArray[np.uint8], label: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return class ids (h, w) as a picture (h, w, 3), void in black.

    With a label (h, w), void is what the label leaves out, and what agrees with it is pale.
    """
    table = np.zeros((256, 3), np.uint8)
    table[:] = VOID_COLOUR
    table[: len(colours)] = colours
    picture = table[ids]
    if label is not None:
        right = (label != VOID) & ~wrong_pixels(ids, label)
        picture[right] = (picture[right] * (1 - _PALE) + 255 * _PALE).astype(np.uint8)
        picture[label == VOID] = VOID_COLOUR
    return picture


def _most_frequent(images: Sequence[SegmentedImage], n_classes: int) -> list[int]:
    """Return the classes that occur in labels or predictions, in their order; of many the most frequent ones."""
    counts = np.zeros(256, np.int64)
    for shown in images:
        for ids in (shown.label, *shown.predictions.values()):
            counts += np.bincount(ids.reshape(-1), minlength=256)
    unknown = np.flatnonzero(counts[n_classes:VOID])
    if len(unknown):
        raise ValueError(f"there are {n_classes} classes, but pixels of class {n_classes + int(unknown[0])}")
    occurring = [index for index in range(n_classes) if counts[index]]
    return sorted(sorted(occurring, key=lambda index: -counts[index])[:_MOST_NAMED])


def _hex(colour: Iterable[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _add_frame(axes: Axes, frame: Frame) -> None:
    """Draw a light dashed box on a dark one."""
    for colour, linewidth, linestyle in (("black", 1.1, "solid"), ("white", 0.6, (0, (4, 2)))):
        box = Rectangle((frame.x, frame.y), frame.width, frame.height, fill=False, edgecolor=colour)
        box.set(linewidth=linewidth, linestyle=linestyle)
        axes.add_patch(box)
