"""The steps of a training pipeline that are ours."""

from __future__ import annotations

import numpy as np
import pytest

from gmmseg.errors import InputError
from gmmseg.transforms import ReplaceLabels, ThinLabels


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
