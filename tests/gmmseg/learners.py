"""Small mixtures that learn, and batches for them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gmmseg.mixtures import ClassMixtures
from gmmseg.online import OnlineEM
from gmmseg.sampling import IGNORED
from gmmseg.settings import MixtureSettings
from tests.forked import ended, in_another_process

CLASSES, COMPONENTS, DIMENSIONS = 3, 2, 4


def learner(seed: int = 0, **settings: Any) -> OnlineEM:
    torch.manual_seed(seed)
    whole = {"components": COMPONENTS, "dimensions": DIMENSIONS, "memory_size": 40, **settings}
    chosen = MixtureSettings.from_config(whole)
    mixtures = ClassMixtures(CLASSES, chosen.components, DIMENSIONS, chosen.class_density)
    return OnlineEM(mixtures, chosen)


def batch(seed: int, classes: tuple[int, ...] = (0, 1, 2), side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (2, D, side, side) with two far groups a class, labels, and all correct."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(CLASSES, 2, DIMENSIONS, generator=torch.Generator().manual_seed(50))
    labels = torch.tensor(classes)[torch.randint(len(classes), (2, side, side), generator=generator)]
    group = torch.randint(2, labels.shape, generator=generator)
    noise = 0.3 * torch.randn(2, side, side, DIMENSIONS, generator=generator)
    features = (centres[labels, group] + noise).permute(0, 3, 1, 2).contiguous()
    labels[:, 0] = IGNORED
    return features, labels, torch.ones_like(labels, dtype=torch.bool)


def rows(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def reference_log_density(features: Tensor, label: int, mixtures: ClassMixtures) -> Tensor:
    normal = torch.distributions.Normal(mixtures.means[label].double(), mixtures.deviations[label].double())
    return normal.log_prob(features.double()[:, None]).sum(dim=2)


def official(**changes: Any) -> OnlineEM:
    whole = {"preset": "official", "memory_size": 30, "component_loss_weight": 0.0, **changes}
    return learner(**whole)


def run_two_processes(program: str, folder: Path) -> tuple[Any, Any]:
    """Run a program with the arguments RANK FOLDER in two processes; return what each saved as FOLDER/RANK.pth."""

    def work(rank: int) -> int:
        sys.argv = ["program", str(rank), str(folder)]
        exec(program, {"__name__": "__main__"})
        return 0

    printed = folder / "printed"
    pids = [in_another_process(partial(work, rank), printed) for rank in (0, 1)]
    assert [ended(pid) for pid in pids] == [0, 0], printed.read_text()
    first, second = (torch.load(folder / f"{rank}.pth", weights_only=True) for rank in (0, 1))
    return first, second
