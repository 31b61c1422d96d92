"""The interface for Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import anomaly_eval
from anomaly_eval import Evaluation, evaluate
from anomaly_eval.errors import InputError
from tests.anomaly_eval.commands import rows


def test_numbers_are_those_of_the_command(tmp_path: Path, data: Path, checkpoint: Path, evaluate) -> None:
    assert evaluate("--scores", "msp", "entropy")[0] == 0
    found = anomaly_eval.evaluate(
        checkpoint, "road_anomaly", data_root=data, scores=["msp", "entropy"], device="cpu", progress=False
    )
    for row in rows(tmp_path / "out"):
        own = found.table.loc[(row["dataset"], row["method"])]
        assert [str(own[name]) for name in ("auroc", "ap", "fpr95")] == [row["auroc"], row["ap"], row["fpr95"]]
    assert set(found.figures("road_anomaly")) >= {"roc", "precision_recall", "histograms", "threshold_msp"}
    assert all(isinstance(figure, Figure) for figure in found.figures("road_anomaly").values())
    assert not list(tmp_path.glob(".out*"))
    loaded = Evaluation.load(tmp_path / "out")
    assert loaded.table.equals(found.table)
    assert loaded.closed_set.empty and loaded.classes.empty
    with pytest.raises(InputError, match="ranked datasets are: road_anomaly"):
        found.figures("elsewhere")


def test_results_are_kept_where_told(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    card = str(tmp_path / "training.yaml")
    found = evaluate(checkpoint, card, data_root=data, out=tmp_path / "kept", device="cpu", progress=False)
    assert found.closed_set.loc["training", "n_images"] == 3
    assert found.classes.loc[("training", "sky"), "n_label_pixels"] > 0
    assert Evaluation.load(tmp_path / "kept").results == found.results


def test_refusals_are_sentences(tmp_path: Path, data: Path, checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.pth"):
        evaluate(tmp_path / "nothing.pth", "road_anomaly", data_root=data, progress=False)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, anomaly_eval; sys.exit(sum(name in sys.modules for name in ('torch', 'pandas', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
