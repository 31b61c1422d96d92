"""The zoo of these tests, in the place of the one that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.anomaly_eval.segmenters.zoo import stand_in


@pytest.fixture
def gmm(tmp_path: Path) -> Path:
    """The checkpoint that the stand-in is made of."""
    from tests.anomaly_eval import networks

    return networks.save_gmm(tmp_path / "gmm.pth")


@pytest.fixture
def zoo(tmp_path: Path, data: Path, gmm: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the zoo, with one network and its statistics on the training images."""
    folder = tmp_path / "networks"
    stand_in.add(folder, stand_in.NAME, gmm)
    stand_in.add_statistics(folder, stand_in.NAME, tmp_path / "training.yaml", data)
    monkeypatch.setattr("anomaly_eval.segmenters.zoo.shipped_folder", lambda name: folder)
    return folder
