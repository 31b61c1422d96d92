"""Reliability diagrams side by side: accuracy against confidence, and how confident the pixels are (Fig. 5)."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anomaly_eval.metrics.calibration import CalibrationMetrics

_DPI = 144
_ACCURACY, _GAP, _SHARE = "#3b6fb6", "#d55e00", "#7a7a7a"


def draw_reliability(found: Mapping[str, CalibrationMetrics]) -> bytes:
    """Return a PNG file with a diagram for each network, by the name that readers see.

    Above: the accuracy of the pixels in each bin of equal width, and its distance to their mean confidence shaded.
    Below: the share of all pixels in each bin.
    """
    figure = Figure(figsize=(4.2 * len(found), 5.6), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(found), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False)
    for column, (name, metrics) in enumerate(found.items()):
        bins = metrics.reliability
        left, width, filled = bins.edges[:-1], np.diff(bins.edges), bins.counts > 0
        accuracy, confidence = bins.accuracy[filled], bins.confidence[filled]
        upper, lower = axes[:, column]
        bars = dict(width=width[filled], align="edge", linewidth=0.6)
        upper.bar(left[filled], accuracy, color=_ACCURACY, edgecolor="white", label="accuracy", **bars)
        upper.bar(
            left[filled],
            confidence - accuracy,
            bottom=accuracy,
            color=_GAP,
            alpha=0.35,
            edgecolor=_GAP,
            hatch="//",
            label="distance to the confidence",
            **bars,
        )
        upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.9)
        upper.text(
            0.96,
            0.05,
            f"ECE {100 * metrics.ece:.2f} %",
            ha="right",
            transform=upper.transAxes,
            bbox=dict(facecolor="white", edgecolor="none", alpha=0.9),
        )
        upper.set(title=name, xlim=(0, 1), ylim=(0, 1))
        lower.bar(left, bins.counts / bins.counts.sum(), width=width, align="edge", color=_SHARE, edgecolor="white")
        lower.set_xlabel("confidence")
    axes[0, 0].set_ylabel("accuracy")
    axes[0, 0].legend(loc="upper left", fontsize=8)
    axes[1, 0].set_ylabel("share of pixels")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
