"""One short training that many tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gmmseg.training.trainings import train, write_training


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, the config tiny.py, and out/: ten iterations with checkpoints at 4, 8 and 10."""
    folder = tmp_path_factory.mktemp("trained")
    train(write_training(folder), options=["train_cfg.max_iters=10"])
    return folder
