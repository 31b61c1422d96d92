"""Predicted classes as a paletted picture, in which the unknown may be a class of its own, and its legend."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.reports.figures.palettes import class_colours

UNKNOWN = "unknown"
_WHITE = (255, 255, 255)
"""No class has it, see `palettes`."""


class ClassPalette:
    """The classes by the values that pictures have for them, and their colours; the unknown comes last."""

    def __init__(self, classes: Sequence[str], with_unknown: bool) -> None:
        """Take the names of the classes; raises ValueError for more than a picture has values for."""
        self.names = [*classes, *([UNKNOWN] if with_unknown else [])]
        if len(self.names) > 256:
            raise ValueError(f"a picture has 256 values, too few for {len(self.names)} classes")
        self.colours = np.array([*class_colours(classes), *([_WHITE] if with_unknown else [])], np.uint8)

    def png(self, classes: NDArray[np.uint8]) -> bytes:
        """Return values (height, width) as a PNG file with this palette."""
        picture = Image.fromarray(classes)
        picture.putpalette(self.colours.tobytes())
        file = io.BytesIO()
        picture.save(file, "png")
        return file.getvalue()

    def legend_csv(self) -> str:
        """Return what each value means, and its colour, for programs."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["value", "name", "red", "green", "blue"])
        writer.writerows([value, name, *self.colours[value].tolist()] for value, name in enumerate(self.names))
        return text.getvalue()

    def draw_legend(self) -> Figure:
        """Return the same for readers."""
        figure = Figure(figsize=(2.4, 0.2 * len(self.names) + 0.2), dpi=150)
        patches = [
            Patch(facecolor=colour / 255, edgecolor="0.5", label=name.replace("$", r"\$"))
            for name, colour in zip(self.names, self.colours, strict=True)
        ]
        figure.legend(handles=patches, loc="center", frameon=False, fontsize=8, borderaxespad=0)
        return figure
