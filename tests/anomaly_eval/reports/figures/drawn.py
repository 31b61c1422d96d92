"""Plain data to draw, and the pixels of what was drawn."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.metrics.curves import Curve, thinned_curve
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.reports.figures.anomaly_grid import ComparedImage
from anomaly_eval.reports.figures.saving import file_of


def state(shift: float, seed: int = 0, pixels: int = 4000) -> RankingState:
    """Scores of anomalies that lie higher by `shift`, one pixel in twenty being an anomaly."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(pixels) < 0.05).astype(np.uint8)
    found = RankingState()
    found.update((rng.standard_normal(pixels) + shift * labels).astype(np.float32), labels)
    return found


def curve(shift: float, seed: int = 0, pixels: int = 4000) -> Curve:
    return thinned_curve(state(shift, seed, pixels).counts(), points=50)


def compared(shift: float = 0.0, size: tuple[int, int] = (32, 64), caption: str = "") -> ComparedImage:
    """An image with a square anomaly, a void strip, and two score maps that are one another's negative."""
    rng = np.random.default_rng(0)
    label = np.zeros(size, np.uint8)
    label[10:20, 20:40] = 1
    label[0] = 255
    score = np.linspace(0, 1, label.size, dtype=np.float32).reshape(size) + np.float32(shift)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return ComparedImage(image, label, {"one": score, "two": -score}, caption)


def pixels(figure: Figure) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(file_of(figure, "png"))).convert("RGB"))


def texts(figure: Figure) -> list[str]:
    """All texts that are drawn, of axes, titles and legends."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
