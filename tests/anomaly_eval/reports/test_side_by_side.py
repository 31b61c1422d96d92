"""Pictures of several methods side by side, and reliability diagrams."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.metrics.calibration import calibration_metrics
from anomaly_eval.reports.reliability_figure import draw_reliability
from anomaly_eval.reports.side_by_side import ComparedImage, draw_side_by_side


def compared(shift: float) -> ComparedImage:
    rng = np.random.default_rng(0)
    label = np.zeros((32, 64), np.uint8)
    label[10:20, 20:40] = 1
    label[0] = 255
    score = np.linspace(0, 1, label.size, dtype=np.float32).reshape(label.shape) + np.float32(shift)
    return ComparedImage(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8), label, {"one": score, "two": -score})


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def test_every_row_and_method_is_drawn() -> None:
    one, two = pixels(draw_side_by_side([compared(0)])), pixels(draw_side_by_side([compared(0), compared(0)]))
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] > 1.4 * one.shape[0]


def test_rows_share_a_scale() -> None:
    # Were each image stretched to its own range, a shift would not be seen.
    same = pixels(draw_side_by_side([compared(0), compared(0)]))
    shifted = pixels(draw_side_by_side([compared(0), compared(5)]))
    assert np.abs(same.astype(int) - shifted).mean() > 5


def test_scores_that_are_all_the_same() -> None:
    shown = compared(0)
    flat = ComparedImage(shown.image, shown.label, {"flat": np.full((32, 64), 3, np.float32)})
    assert pixels(draw_side_by_side([flat])).size


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no image"):
        draw_side_by_side([])


def test_a_gap_between_confidence_and_accuracy_is_seen() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[:, 20:] = 1
    sure = np.stack([np.full((40, 40), 0.95), np.full((40, 40), 0.05)])
    honest = np.stack([np.full((40, 40), 0.51), np.full((40, 40), 0.49)])
    wrong, right = calibration_metrics(sure, label), calibration_metrics(honest, label)
    assert wrong.ece == pytest.approx(0.45) and right.ece == pytest.approx(0.01)
    drawn = pixels(draw_reliability({"sure": wrong, "honest": right})).astype(int)
    # The shade of the gap: more red than blue.
    shaded = (drawn[..., 0] - drawn[..., 2]) > 40
    half = drawn.shape[1] // 2
    assert shaded[:, :half].sum() > 3 * shaded[:, half:].sum()
