"""The steps of a training pipeline that are ours."""

from __future__ import annotations

import numpy as np
import pytest

from gmmseg.errors import InputError
from gmmseg.transforms import OtherCamera, ReplaceLabels, ThinLabels


@pytest.mark.parametrize(("height", "width", "factor"), [(8, 12, 4), (7, 5, 2), (9, 10, 4), (3, 2, 1), (2, 2, 5)])
def test_one_label_of_each_block_is_kept(height: int, width: int, factor: int) -> None:
    labels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    thin = ThinLabels(factor).transform({"gt_seg_map": labels})["gt_seg_map"]
    assert thin.shape == (-(-height // factor), -(-width // factor))
    for row, column in np.ndindex(thin.shape):
        block = labels[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        assert thin[row, column] in block
        if block.shape == (factor, factor):
            assert thin[row, column] == block[factor // 2, factor // 2]


@pytest.mark.parametrize("factor", [0, -1, 1.5, True, "4"])
def test_a_factor_that_is_none(factor: object) -> None:
    with pytest.raises(InputError, match="whole number"):
        ThinLabels(factor)  # type: ignore[arg-type]


def test_labels_are_replaced_all_at_once() -> None:
    swap = ReplaceLabels({0: 255, 255: 0, 3: 4})
    labels = np.array([[0, 255], [3, 4]], np.uint8)
    replaced = swap.transform({"gt_seg_map": labels})["gt_seg_map"]
    assert replaced.dtype == np.uint8
    np.testing.assert_array_equal(replaced, [[255, 0], [4, 4]])
    assert repr(swap) == "ReplaceLabels(values={0: 255, 255: 0, 3: 4})"


@pytest.mark.parametrize("values", [{-1: 0}, {0: 256}, {True: 0}, {0: 1.0}])
def test_labels_that_are_none(values: dict[int, int]) -> None:
    with pytest.raises(InputError, match="labels are 0 to 255"):
        ReplaceLabels(values)


def drawn_image() -> np.ndarray:
    image = np.random.default_rng(0).integers(60, 190, (24, 32, 3), dtype=np.uint8)
    image[:, :16] //= 2
    return image


def changed(image: np.ndarray, seed: int, strength: float) -> np.ndarray:
    np.random.seed(seed)
    found: np.ndarray = OtherCamera(strength).transform({"img": image.copy()})["img"]
    return found


def test_no_strength_leaves_an_image_alone() -> None:
    image = drawn_image()
    assert all(np.array_equal(changed(image, seed, 0), image) for seed in range(20))


def test_an_image_of_another_camera_differs_more_with_strength_and_is_that_of_its_seed() -> None:
    image = drawn_image()
    apart = {
        strength: np.mean([np.abs(changed(image, seed, strength).astype(int) - image).mean() for seed in range(50)])
        for strength in (0.1, 0.5, 1.0)
    }
    assert 1 < apart[0.1] < apart[0.5] < apart[1.0]
    first = changed(image, 3, 1)
    assert first.dtype == np.uint8 and first.shape == image.shape
    assert np.array_equal(first, changed(image, 3, 1)) and not np.array_equal(first, changed(image, 4, 1))


def test_colours_go_as_far_as_grey_and_contrast_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The draws that matter, one at a time: the lowest of each range, and neither blur nor noise."""
    monkeypatch.setattr(np.random, "uniform", lambda low, high: {0: 0, 0.5: 0.5}.get(low, 1))
    monkeypatch.setattr(np.random, "random", lambda: 0.9)
    image = drawn_image()
    grey = OtherCamera().transform({"img": image.copy()})["img"]
    expected = image.mean(axis=2, keepdims=True)
    expected = expected.mean() + 0.5 * (expected - expected.mean())
    assert np.abs(grey - expected).max() <= 0.51


@pytest.mark.parametrize("strength", [-0.1, 1.5, True, "1", float("nan")])
def test_a_strength_that_is_none(strength: object) -> None:
    with pytest.raises(InputError, match="number from 0 to 1"):
        OtherCamera(strength)  # type: ignore[arg-type]
