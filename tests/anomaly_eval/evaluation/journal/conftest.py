"""Fits that keep what they learnt after each image."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the sums of a fit after each image, as after seconds of a large one."""
    monkeypatch.setattr("anomaly_eval.evaluation.journal.fit_journal._EVERY", 0.0)
