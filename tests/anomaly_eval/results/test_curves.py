"""Curves and histograms: written by an evaluation, read back as they were, refused where they are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.curves import thinned_curve
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.results.curves import (
    CURVES_FILE,
    HISTOGRAMS_FILE,
    Distribution,
    distributions_csv,
    read_distributions,
)
from tests.anomaly_eval.commands import rows


@pytest.fixture
def written(tmp_path: Path) -> list[Distribution]:
    generator = np.random.default_rng(0)
    state = RankingState()
    values = generator.normal(size=2000).astype(np.float32)
    values[:3] = np.inf, -np.inf, np.float32(1) / 3
    state.update(values, (generator.random(2000) < 0.2).astype(np.uint8))
    curve = thinned_curve(state.counts(), 50)
    found = [Distribution("road, anomaly", method, curve, state.histogram(7)) for method in ("msp", 'a "b"\nc')]
    for name, text in distributions_csv(found).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return found


def test_numbers_survive(tmp_path: Path, written: list[Distribution]) -> None:
    read = read_distributions(tmp_path)
    assert [(one.dataset, one.method) for one in read] == [(one.dataset, one.method) for one in written]
    for one, other in zip(read, written, strict=True):
        for name in ("thresholds", "tpr", "fpr", "precision"):
            assert np.array_equal(getattr(one.curve, name), getattr(other.curve, name))
        for name in ("edges", "inliers", "anomalies"):
            assert np.array_equal(getattr(one.histogram, name), getattr(other.histogram, name))


@pytest.mark.parametrize("name", [CURVES_FILE, HISTOGRAMS_FILE])
@pytest.mark.parametrize(
    "damage", [lambda text: "x" + text, lambda text: text + "a,b,1\n", lambda text: text[:200] + "?"]
)
def test_damaged_files_are_refused(tmp_path: Path, written: list[Distribution], name: str, damage) -> None:
    path = tmp_path / name
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match="evaluate anew"):
        read_distributions(tmp_path)


def test_a_file_without_its_other_half_is_refused(tmp_path: Path, written: list[Distribution]) -> None:
    (tmp_path / CURVES_FILE).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_distributions(tmp_path)


def test_a_closed_set_run_has_none(tmp_path: Path) -> None:
    assert read_distributions(tmp_path) == []


def test_an_evaluation_writes_curves_that_pass_through_its_metrics(tmp_path: Path, evaluate) -> None:
    assert evaluate("--scores", "msp", "entropy", "--figures")[0] == 0
    read = read_distributions(tmp_path / "out")
    assert [one.method for one in read] == ["msp", "entropy"]
    for one, row in zip(read, rows(tmp_path / "out"), strict=True):
        reached = int(np.argmax(one.curve.tpr >= 0.95))
        assert 100 * one.curve.fpr[reached] == pytest.approx(float(row["fpr95"]), abs=1e-12)
        assert one.histogram.inliers.sum() == int(row["n_inlier_pixels"])
        assert one.histogram.anomalies.sum() == int(row["n_anomaly_pixels"])
    drawn = {path.name for path in (tmp_path / "out" / "figures" / "road_anomaly").iterdir()}
    stems = {"roc", "roc_log", "precision_recall", "histograms", "threshold_msp", "threshold_entropy"}
    assert drawn == {f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")}
