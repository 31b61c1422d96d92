"""One short training that many tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from tests.gmmseg.training.trainings import UNFORMATTED, train, write_training


@pytest.fixture(scope="package", autouse=True)
def _quickly() -> Iterator[None]:
    """Keep threads from waiting for each other in networks too small to share, and configs unformatted."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with patch(*UNFORMATTED):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def trained(_quickly: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, the config tiny.py, and out/: ten iterations with checkpoints at 4, 8 and 10."""
    folder = tmp_path_factory.mktemp("trained")
    train(write_training(folder), options=["train_cfg.max_iters=10"])
    return folder
