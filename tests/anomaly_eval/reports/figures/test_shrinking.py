"""What is drawn is small enough for a page, and keeps what a reader looks for."""

from __future__ import annotations

import numpy as np

from anomaly_eval.reports.figures.shrinking import LONGEST, shrink_classes, shrink_label, shrink_picture, shrink_scores


def test_a_long_side_of_at_most_1024() -> None:
    picture = np.zeros((600, 2048, 3), np.uint8)
    assert shrink_picture(picture).shape == (300, LONGEST, 3)
    for shrink in (shrink_classes, shrink_label):
        assert shrink(picture[..., 0]).shape == (300, LONGEST)
    assert shrink_scores(np.zeros((2048, 2), np.float32)).shape == (LONGEST, 1)


def test_what_is_small_stays_the_same() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (20, LONGEST, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shrink_picture(picture), picture)
    np.testing.assert_array_equal(shrink_classes(picture[..., 0]), picture[..., 0])
    label = rng.choice(np.array([0, 1, 255], np.uint8), (20, 30))
    np.testing.assert_array_equal(shrink_label(label), label)
    scores = rng.standard_normal((20, 30)).astype(np.float32)
    np.testing.assert_array_equal(shrink_scores(scores), scores)


def test_the_smallest_anomaly_stays_and_void_has_the_majority() -> None:
    label = np.zeros((4, 2 * LONGEST), np.uint8)
    label[0, 0] = 1
    label[2:, 8:10], label[3, 20] = 255, 255
    small = shrink_label(label)
    assert small[0, 0] == 1 and (small == 1).sum() == 1
    assert small[1, 4] == 255 and (small == 255).sum() == 1


def test_classes_are_never_mixed() -> None:
    ids = np.where(np.arange(3000) % 2 == 0, 3, 200).astype(np.uint8)[None].repeat(4, axis=0)
    assert set(np.unique(shrink_classes(ids))) == {3, 200}


def test_scores_are_means_of_numbers() -> None:
    scores = np.zeros((2, 2 * LONGEST), np.float32)
    scores[:, :2] = [[1, 2], [3, np.nan]]
    scores[:, 2:4] = np.nan
    scores[0, 4], scores[1, 6] = np.inf, -np.inf
    small = shrink_scores(scores)
    np.testing.assert_allclose(small[0, :4], [2, np.nan, 3 / 4, 0])
    assert np.isfinite(small[0, 2:]).all()
    assert np.isnan(shrink_scores(np.full((3, 3), np.nan, np.float32))).all()
