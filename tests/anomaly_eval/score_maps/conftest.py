"""Datasets and the command on score maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.anomaly_eval.commands import SIZE, Answer, Command


@pytest.fixture
def from_maps(tmp_path, data, command) -> Command:
    """Run `eval --score-maps` with sensible arguments and return what it answers."""

    def run(*arguments: str, dataset: str = "road_anomaly", out: str = "out") -> Answer:
        places = ["--data-root", data, "--out", tmp_path / out]
        return command("eval", "--dataset", dataset, *places, "--score-maps", *arguments)

    return run


@pytest.fixture
def maps(tmp_path) -> Path:
    """A folder with a score map of another method for each of the four images, which `data` draws."""
    folder = tmp_path / "other_method"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(4):
        np.save(folder / f"{index}.npy", rng.standard_normal((SIZE[1], SIZE[0])).astype(np.float32))
    return folder
