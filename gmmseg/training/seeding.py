"""Random numbers that do not depend on what was drawn before: augmentation by sample, dropout by iteration."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS

from gmmseg.errors import InputError
from gmmseg.sampling import hash_seeds
from gmmseg.training.order import AUGMENTATION, STEP


def seed_everything(seed: int) -> None:
    """Seed Python, numpy, and torch on all its devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@DATASETS.register_module()
class SeededSamples:
    """A dataset whose samples are asked for by (index, position) and depend on (seed, position) alone.

    classes, ignore_index: what the labels of a sample may hold; None checks nothing. Raises InputError that names the
    image for a sample that cannot be prepared or holds other labels.
    """

    def __init__(
        self, dataset: Any, seed: int, classes: int | None = None, ignore_indices: tuple[int, ...] = (255,)
    ) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.seed, self.classes, self.ignore_indices = seed, classes, tuple(ignore_indices)

    @property
    def metainfo(self) -> Any:
        """Class names and palette of the dataset."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """List the files."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: tuple[int, int]) -> Any:
        index, position = place
        seed_everything(hash_seeds(self.seed, AUGMENTATION, position))
        try:
            sample = self.dataset[index]
        except InputError:
            raise
        except Exception as error:  # the steps of a pipeline fail in their own ways
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"the training image {self._path(index)} cannot be prepared ({reason}).") from error
        self._check_labels(sample, index)
        return sample

    def _check_labels(self, sample: Any, index: int) -> None:
        labels = sample["data_samples"].gt_sem_seg.data if self.classes is not None else None
        if labels is None or labels.numel() == 0:
            return
        values = np.flatnonzero(np.bincount(labels.numpy().astype(np.int64).ravel()))
        wrong = [int(value) for value in values if value >= (self.classes or 0) and value not in self.ignore_indices]
        if wrong:
            raise InputError(
                f"the labels of the training image {self._path(index)} hold the value {wrong[0]}, but the network has "
                f"{self.classes} classes; check num_classes, reduce_zero_label and the label files."
            )

    def _path(self, index: int) -> str:
        info = self.dataset.get_data_info(index) if hasattr(self.dataset, "get_data_info") else {}
        return str(info.get("img_path", f"number {index}"))


@HOOKS.register_module()
class SeedStepsHook(Hook):  # type: ignore[misc]
    """Seeds what the network draws in a training iteration (dropout) from the seed, the iteration and the rank."""

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Run after the batch was loaded and before it is trained on."""
        seed_everything(hash_seeds(runner.seed, STEP, runner.iter, get_rank()))
