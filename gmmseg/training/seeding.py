"""Random numbers that do not depend on what was drawn before: augmentation by sample, dropout by iteration."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS

from gmmseg.sampling import hash_seeds
from gmmseg.training.labels import SamplesOfDataset
from gmmseg.training.order import AUGMENTATION, STEP


def seed_everything(seed: int) -> None:
    """Seed Python, numpy, and torch on all its devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@DATASETS.register_module()
class SeededSamples(SamplesOfDataset):
    """A dataset whose samples are asked for by (index, position) and depend on (seed, position) alone.

    classes, ignore_indices: what the labels of a sample may hold; None checks nothing. Raises InputError that names the
    file for a sample that cannot be prepared or holds other labels.
    """

    used_for = "training"

    def __init__(
        self, dataset: Any, seed: int, classes: int | None = None, ignore_indices: tuple[int, ...] = (255,)
    ) -> None:
        super().__init__(dataset, classes, ignore_indices)
        self.seed = seed

    def __getitem__(self, place: tuple[int, int]) -> Any:
        index, position = place
        seed_everything(hash_seeds(self.seed, AUGMENTATION, position))
        return self.checked(index)


@HOOKS.register_module()
class SeedStepsHook(Hook):  # type: ignore[misc]
    """Seeds what the network draws in a training iteration (dropout) from the seed, the iteration and the rank."""

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Run after the batch was loaded and before it is trained on."""
        seed_everything(hash_seeds(runner.seed, STEP, runner.iter, get_rank()))
