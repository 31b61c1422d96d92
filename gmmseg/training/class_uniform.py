"""Class-uniform sampling: every class is drawn equally often, then an image that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dist import broadcast_object_list, get_dist_info, is_main_process
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from numpy.typing import NDArray
from torch.utils.data import Sampler

from gmmseg.errors import InputError
from gmmseg.sampling import hash_seeds
from gmmseg.training.label_index import classes_of_images
from gmmseg.training.order import CLASS, own_positions


def draw_image(position: int, seed: int, images: list[NDArray[np.int64]]) -> int:
    """Return the image at a place in the stream: a class is drawn, then one of the images that hold it.

    images: for each class the indices of its images, none of them empty.
    """
    generator = np.random.default_rng(hash_seeds(seed, CLASS, position))
    holding = images[generator.integers(len(images))]
    return int(holding[generator.integers(len(holding))])


@DATA_SAMPLERS.register_module()
class ClassUniformSampler(Sampler[tuple[int, int]]):
    """Yields (index, position) without end; which classes an image holds is found once and cached.

    dataset: one of mmsegmentation's, alone or in `SeededSamples`. cache: a folder, None is the user's cache dir.
    Classes without an image are left out with a warning; raises InputError where that leaves none.
    """

    def __init__(self, dataset: Any, batch_size: int, seed: int = 0, start: int = 0, cache: str | None = None) -> None:
        self.count, self.batch_size, self.seed, self.start = len(dataset), batch_size, seed, start
        labelled = getattr(dataset, "dataset", dataset)
        # One process reads the labels, the others get the result.
        shared = [classes_of_images(labelled, cache, getattr(dataset, "rule", None)) if is_main_process() else None]
        broadcast_object_list(shared)
        held = shared[0]
        assert held is not None
        self._images = [np.flatnonzero(held[:, index]) for index in range(held.shape[1])]
        names = labelled.metainfo["classes"]
        absent = [name for name, images in zip(names, self._images, strict=True) if len(images) == 0]
        self._images = [images for images in self._images if len(images)]
        if not self._images:
            raise InputError("no training label holds a class, so none can be drawn; check the label files.")
        if absent:
            print_log(f"classes that no training image holds are not drawn: {', '.join(absent)}", "current", 30)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, world_size = get_dist_info()
        for position in own_positions(self.start, self.batch_size, rank, world_size):
            yield draw_image(position, self.seed, self._images), position

    def __len__(self) -> int:
        """Return the number of images."""
        return self.count
