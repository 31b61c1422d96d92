"""One study that is run once, and that many tests look at or go on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomaly_eval.studies.ablation import run
from tests.anomaly_eval.studies.ablation.studies import ablate, trained_here, write_study


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and all that `ablate` wrote of it, in out/. Tests change copies alone."""
    folder = tmp_path_factory.mktemp("finished")
    write_study(folder)
    with trained_here():
        assert ablate(folder) == 0
    return folder


@pytest.fixture
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training fail the test."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a training was started")

    monkeypatch.setattr(run, "train_all", refused)
