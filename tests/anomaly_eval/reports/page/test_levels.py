"""Thresholds: counts at them are exact for every image and the pool, whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from anomaly_eval.reports.page.cells import CellCounts, count_cells, fit_borders
from anomaly_eval.reports.page.levels import MOST_LEVELS, Levels, pooled_levels

Image = tuple[NDArray[np.float32], NDArray[np.uint8]]
NUMBERS = st.floats(width=32, allow_nan=False) | st.sampled_from([-np.inf, np.inf, 0.0, -0.0, 1.0, 1.0000001])


@st.composite
def images(draw: st.DrawFn) -> list[Image]:
    """Draw a few images with labels of all kinds, some without anomalies, inliers or both."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    return [
        (
            draw(arrays(np.float32, (size, 3), elements=NUMBERS)),
            draw(arrays(np.uint8, (size, 3), elements=st.sampled_from([0, 1, 255]))),
        )
        for size in sizes
    ]


def count(drawn: list[Image]) -> tuple[Levels, list[CellCounts]]:
    """Count all images in cells fitted to the first that has a pixel, and choose the thresholds."""
    known = [scores[label != 255] for scores, label in drawn]
    first = next((values for values in known if len(values)), None)
    borders = np.empty(0, np.float32) if first is None else fit_borders(np.sort(first))
    counts = [count_cells(borders, np.sort(scores[label == 1]), np.sort(scores[label == 0])) for scores, label in drawn]
    return pooled_levels(borders, counts), counts


@settings(deadline=None, max_examples=60)
@given(images())
def test_counts_are_those_of_every_pixel(drawn: list[Image]) -> None:
    levels, counts = count(drawn)
    pooled = np.zeros((2, len(levels)), np.int64)
    for (scores, label), cells in zip(drawn, counts, strict=True):
        found = levels.at_or_above(cells)
        for row, kind in enumerate((1, 0)):
            wanted = [int(np.count_nonzero((scores >= edge) & (label == kind))) for edge in levels.thresholds]
            assert found[row].tolist() == wanted
            pooled[row] += np.array(wanted, np.int64)
    assert levels.anomalies.tolist() == pooled[0].tolist()
    assert levels.inliers.tolist() == pooled[1].tolist()


@settings(deadline=None, max_examples=60)
@given(images())
def test_a_level_is_how_many_thresholds_are_reached(drawn: list[Image]) -> None:
    levels, _ = count(drawn)
    assert (np.diff(levels.thresholds) > 0).all() and len(levels) <= MOST_LEVELS
    for scores, label in drawn:
        found = levels.of(scores, label)
        wanted = [[int((levels.thresholds <= score).sum()) for score in row] for row in scores]
        assert np.array_equal(found, np.where(label == 255, 0, wanted))
        # So every pixel that is not void reaches the lowest threshold, and 0 is free to mean void.
        assert (found[label != 255] >= 1).all()


def test_thresholds_are_dense_where_they_are_wanted() -> None:
    random = np.random.default_rng(0)
    drawn: list[Image] = []
    for _ in range(3):
        label = (random.random((300, 400)) < 0.01).astype(np.uint8)
        drawn.append(((random.standard_normal(label.shape) + 2 * label - 1000).astype(np.float32), label))
    levels, _ = count(drawn)
    assert 200 < len(levels) <= MOST_LEVELS
    tpr, fpr = (counts / counts[0] for counts in (levels.anomalies, levels.inliers))
    assert -np.diff(tpr).max() < 0.02 and np.abs(np.diff(fpr)).max() < 0.02
    # In the upper tail they are close on a logarithmic scale.
    tail = fpr[(fpr < 0.1) & (fpr > 1e-4)]
    assert (tail[1:] / tail[:-1]).min() > 0.7
    assert tpr[tpr >= 0.95].min() == pytest.approx(0.95, abs=1e-3)


def test_a_first_image_unlike_the_others_leaves_enough_thresholds() -> None:
    random = np.random.default_rng(1)
    label = np.zeros((100, 100), np.uint8)
    first = -3 - random.random(label.shape, np.float32)
    other = label.copy()
    other[:50] = 1
    levels, _ = count([(first, label), ((-3 + 2 * random.random(label.shape)).astype(np.float32), other)])
    assert np.abs(np.diff(levels.anomalies / levels.anomalies[0])).max() < 0.03


def test_few_distinct_scores_are_all_thresholds() -> None:
    scores = np.repeat(np.arange(200, dtype=np.float32), 50).reshape(100, 100)
    levels, _ = count([(scores, (scores > 150).astype(np.uint8))])
    assert len(levels) == 200
    assert [levels.of(np.array([[value]], np.float32), np.zeros((1, 1), np.uint8)).item() for value in (0, 7, 199)] == [
        1,
        8,
        200,
    ]


def test_no_pixel_at_all_has_no_threshold() -> None:
    label = np.full((2, 2), 255, np.uint8)
    levels, counts = count([(np.zeros((2, 2), np.float32), label)])
    assert len(levels) == 0 and [len(part) for part in levels.at_or_above(counts[0])] == [0, 0]
    assert not levels.of(np.zeros((2, 2), np.float32), label).any()
