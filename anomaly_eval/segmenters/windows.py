"""Sliding windows: where they lie, and putting their outputs together again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anomaly_eval.segmenters.coarse_maps import CoarseMaps, pixel_centres, sample, source_positions


def window_corners(size: tuple[int, int], crop: tuple[int, int], stride: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the (top, left) corners of windows that cover an image, in rows, as mmsegmentation places them.

    The last window of a row or column is moved back so that it ends at the border. All sizes are (height, width).
    """
    per_axis = []
    for length, window, step in zip(size, crop, stride, strict=True):
        count = max(math.ceil((length - window) / step), 0) + 1
        per_axis.append([max(min(index * step, length - window), 0) for index in range(count)])
    return [(top, left) for top in per_axis[0] for left in per_axis[1]]


class WindowMean:
    """Averages class maps of overlapping windows at the size of the image, (channels, height, width)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._align_corners = False
        self._total: Tensor | None = None
        self._count: Tensor | None = None

    def add(self, maps: CoarseMaps, corner: tuple[int, int]) -> None:
        """Add the maps of one window, which stand for the window's pixels."""
        if self._total is None or self._count is None:
            self._total = maps.values.new_zeros(maps.channels, *self.size)
            self._count = maps.values.new_zeros(self.size)
        self._align_corners = maps.align_corners
        top, left = corner
        columns = slice(left, left + maps.size[1])
        for rows, values in maps.bands():
            band = slice(top + rows.start, top + rows.stop)
            self._total[:, band, columns] += values
            self._count[band, columns] += 1

    def result(self) -> CoarseMaps:
        """Return the average."""
        if self._total is None or self._count is None:
            raise ValueError("no window was added")
        return CoarseMaps.covering(self._total.div_(self._count), self.size, self._align_corners)


class WindowFeatureMean:
    """Averages features of overlapping windows on one coarse grid over the image.

    At the size of the image 256 dimensions would need gigabytes. The grid has the windows' own spacing; a cell takes
    from every window that holds its centre the bilinear sample there, which is the feature itself where window
    corners are multiples of the spacing.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._total: Tensor | None = None
        self._count: Tensor | None = None

    def add(self, maps: CoarseMaps, corner: tuple[int, int]) -> None:
        """Add the features of one window, which stand for the window's pixels."""
        cells = maps.values.shape[1:]
        if self._total is None or self._count is None:
            grid = [round(self.size[axis] * cells[axis] / maps.extent[axis]) for axis in (0, 1)]
            self._total = maps.values.new_zeros(maps.values.shape[0], *grid)
            self._count = maps.values.new_zeros(grid)
        sampled, target = maps.values, []
        for axis in (0, 1):
            grid_cells = self._count.shape[axis]
            centres = pixel_centres(grid_cells, sampled.device) * (self.size[axis] / grid_cells)
            local = centres - corner[axis]
            inside = torch.nonzero((local >= 0) & (local < maps.size[axis])).flatten()
            positions = source_positions(local[inside], maps.extent[axis], cells[axis], maps.align_corners)
            sampled = sample(sampled, positions, dim=axis + 1)
            target.append(slice(int(inside[0]), int(inside[-1]) + 1))
        self._total[:, target[0], target[1]] += sampled
        self._count[target[0], target[1]] += 1

    def result(self) -> CoarseMaps:
        """Return the average on the grid."""
        if self._total is None or self._count is None:
            raise ValueError("no window was added")
        return CoarseMaps.covering(self._total.div_(self._count), self.size)
