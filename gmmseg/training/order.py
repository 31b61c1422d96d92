"""Which image is trained on when: a function of the seed and the place in an endless stream of samples alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS
from torch import Tensor
from torch.utils.data import Sampler

from gmmseg.sampling import hash_seeds

# Keep the draws for different purposes apart.
ORDER, AUGMENTATION, STEP, CLASS = range(4)


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order of `count` images in one pass over them, (count,) int64: a permutation."""
    generator = torch.Generator().manual_seed(hash_seeds(seed, ORDER, epoch))
    return torch.randperm(count, generator=generator)


def own_positions(start: int, batch_size: int, rank: int, world_size: int) -> Iterator[int]:
    """Yield the positions that a process trains on: of each global batch, the contiguous block that is its own.

    start: samples that all processes together have seen before; batch_size: of one process.
    """
    for first in itertools.count(start + rank * batch_size, batch_size * world_size):
        yield from range(first, first + batch_size)


@DATA_SAMPLERS.register_module()
class ResumableSampler(Sampler[tuple[int, int]]):
    """Yields (index, position) without end; with `shuffle`, each pass over the images has its own order.

    Several processes see the same images in the same global order as one process with their batches together.
    """

    def __init__(self, dataset: Sized, batch_size: int, seed: int = 0, start: int = 0, shuffle: bool = True) -> None:
        self.count, self.batch_size, self.seed, self.start, self.shuffle = (
            len(dataset),
            batch_size,
            seed,
            start,
            shuffle,
        )
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def index_at(self, position: int) -> int:
        """Return the image at a place in the endless stream."""
        epoch, place = divmod(position, self.count)
        if not self.shuffle:
            return place
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.seed, epoch, self.count))
        return int(self._order[1][place])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, world_size = get_dist_info()
        for position in own_positions(self.start, self.batch_size, rank, world_size):
            yield self.index_at(position), position

    def __len__(self) -> int:
        """Return the number of images: the length of one pass."""
        return self.count
