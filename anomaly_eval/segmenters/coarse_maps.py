"""Bilinear resizing of per-class maps in bands of rows, so that the full-size stack of classes never exists.

A network gives its logits on a coarse grid. Resizing 19 classes to a 2048 x 1024 image and reducing them moves
160 MB through memory several times; doing both band by band stays in the processor's cache and is twice as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

_ROWS_PER_BAND = 64


@dataclass(frozen=True)
class CoarseMaps:
    """Maps on a coarse grid together with the image they stand for.

    values: (channels, h, w) floating point. size: (height, width) of the image in pixels. extent: the height and
    width in image pixels that the grid covers; larger than `size` where the network's input was padded at the
    bottom and the right. align_corners: as in `torch.nn.functional.interpolate`.

    What is read of them at a pixel of the image is `read` of the values there: in a subclass it may be something else.
    """

    values: Tensor
    size: tuple[int, int]
    extent: tuple[float, float]
    align_corners: bool = False

    @classmethod
    def covering(cls, values: Tensor, size: tuple[int, int], align_corners: bool = False) -> Self:
        """Maps whose grid covers exactly the image."""
        return cls(values, size, (float(size[0]), float(size[1])), align_corners)

    @property
    def channels(self) -> int:
        """How many values are read at each pixel."""
        return len(self.values)

    def read(self, values: Tensor) -> Tensor:
        """Return what is read where the maps have these values (channels, …)."""
        return values

    def chosen(self, channels: Sequence[int]) -> Self:
        """Return the same maps, of which only these channels are read."""
        return self.like(self.values[list(channels)].contiguous())

    def like(self, values: Tensor) -> Self:
        """Other values (channels, h, w) on the same grid."""
        return replace(self, values=values)

    def bands(self, rows: int = _ROWS_PER_BAND) -> Iterator[tuple[slice, Tensor]]:
        """Yield (rows of the image, what is read there of shape (channels, rows, width)) from top to bottom."""
        for band, values in self._resized_bands(rows):
            yield band, self.read(values)

    def _resized_bands(self, rows: int) -> Iterator[tuple[slice, Tensor]]:
        height, width = self.size
        grid = (self.values.shape[1], self.values.shape[2])
        if grid == self.size and self.extent == (float(height), float(width)):
            for top in range(0, height, rows):
                band = slice(top, min(top + rows, height))
                yield band, self.values[:, band]
            return
        device = self.values.device
        across = source_positions(pixel_centres(width, device), self.extent[1], grid[1], self.align_corners)
        down = source_positions(pixel_centres(height, device), self.extent[0], grid[0], self.align_corners)
        yield from sample_blocks(sample(self.values, across, dim=2), down, dim=1, block=rows)

    def resized(self) -> Tensor:
        """Return what is read at all pixels of the image, (channels, height, width)."""
        return torch.cat([values for _, values in self.bands()], dim=1)


def pixel_centres(length: int, device: torch.device | None = None) -> Tensor:
    """Return the centres 0.5, 1.5 … of `length` pixels, float64."""
    return torch.arange(length, dtype=torch.float64, device=device) + 0.5


def source_positions(centres: Tensor, extent: float, cells: int, align_corners: bool) -> Tensor:
    """Return where pixel centres fall on a grid of `cells` that covers `extent` pixels, in cells, clamped.

    The convention is that of `torch.nn.functional.interpolate`: without `align_corners` the areas coincide, with
    it the centres of the outermost pixels and cells do.
    """
    if align_corners:
        positions = (centres - 0.5) * ((cells - 1) / max(extent - 1.0, 1.0))
    else:
        positions = centres * (cells / extent) - 0.5
    return positions.clamp(0, cells - 1)


def sample(values: Tensor, positions: Tensor, dim: int) -> Tensor:
    """Sample `values` (channels, h, w) linearly along `dim` 1 or 2 at ascending `positions`, in cells."""
    return torch.cat([block for _, block in sample_blocks(values, positions, dim, block=128)], dim=dim)


def sample_blocks(values: Tensor, positions: Tensor, dim: int, block: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield what `sample` returns, in blocks of positions.

    A product with the few cells that a block touches takes a third of the time of gathering and blending them.
    """
    for start in range(0, len(positions), block):
        part = slice(start, min(start + block, len(positions)))
        first, last = int(positions[part][0]), min(int(positions[part][-1]) + 2, values.shape[dim])
        weights = _interpolation_matrix(positions[part] - first, last - first).to(values.dtype)
        if dim == 1:
            yield part, torch.matmul(weights, values[:, first:last])
        else:
            yield part, torch.matmul(values[:, :, first:last], weights.T)


def _interpolation_matrix(positions: Tensor, cells: int) -> Tensor:
    """Return the matrix (positions, cells), float64, that samples `cells` values linearly at `positions`."""
    distance = (positions[:, None] - torch.arange(cells, dtype=positions.dtype, device=positions.device)).abs()
    return (1.0 - distance).clamp_(min=0.0)
