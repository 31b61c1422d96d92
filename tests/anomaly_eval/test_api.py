"""The interface for Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import anomaly_eval
from anomaly_eval import Evaluation, evaluate
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import Measures
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


def test_every_option_of_the_command_is_a_keyword(tmp_path: Path, data: Path, checkpoint: Path, evaluate) -> None:
    card = str(tmp_path / "training.yaml")
    words = ["--fpr95", "nearest", "--per-image", "--resize", "0.5x", "--scores", "sml", "--fit-dataset", card]
    assert evaluate(*words, "--sml-without", "smoothing", "--save-scores", "float16")[0] == 0
    whole = Measures(fpr_convention="nearest")
    found = anomaly_eval.evaluate(
        *(str(checkpoint), ["road_anomaly"]),
        **dict(data_root=str(data), out=str(tmp_path / "python"), progress=False, device="cpu", resize="0.5x"),
        **dict(scores=("sml",), fit_dataset=Path(card), sml_without=("smoothing",), save_scores="float16"),
        **dict(measures=whole, per_image=True),
    )
    commanded = Evaluation.load(tmp_path / "out").results
    assert found.results.rows == commanded.rows and found.results.per_image == commanded.per_image
    assert found.results.conventions == commanded.conventions
    of_maps = anomaly_eval.evaluate(
        None, "road_anomaly", data_root=data, score_maps=[tmp_path / "python" / "scores"], progress=False
    )
    assert len(of_maps.table) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (dict(devise="cpu"), r"no option 'devise'; did you mean device\?"),
        (dict(bootstrap=10), r"no option 'bootstrap'; did you mean resamples\?"),
        (dict(xyzzy=1), r"no option 'xyzzy'; its options are .*resamples.*sml_without"),
        (dict(launcher="slurm"), "no option 'launcher'"),
        (dict(device="gpu"), "device='gpu' cannot be used: .*'auto', 'cpu' or 'cuda'"),
        (dict(resamples=-1), "resamples=-1 cannot be used: .*greater than or equal to 0"),
        (dict(seed=2**32), "seed=4294967296 cannot be used: .*less than or equal to"),
        (dict(scores="mps"), "there is no score .mps.; did you mean .msp."),
        (dict(seed=1), "add --bootstrap"),
        (dict(score_maps=["maps"]), "--ckpt and --score-maps exclude each other"),
    ],
)
def test_options_are_checked_before_anything_is_loaded(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        evaluate(tmp_path / "nothing.pth", "road_anomaly", progress=False, **options)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, anomaly_eval; sys.exit(sum(name in sys.modules for name in ('torch', 'pandas', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
