"""`report --group` of runs with operating points: the means of what each run's own thresholds do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import SIZE, Command, assert_refused, write_pair
from tests.anomaly_eval.reports.edited_runs import edited

QUIET_CARD = """
name: quiet
title: Quiet streets
task: anomaly
variants: {test: {images: 2}}
default_variant: test
size: [96, 64]
labels: {inlier: [0], anomaly: [2]}
layouts:
  - name: flat
    images: "{folder}/images/{id}.*"
    masks: "{folder}/labels_masks/{id}.*"
"""
METRICS = ["tpr", "fpr", "precision", "f1", "iou", "false_alarms"]
PLACE = ["dataset", "method", "point", "learnt_on"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two seeds that choose thresholds, and of the same on a set without any anomaly."""
    from tests.anomaly_eval import networks
    from tests.anomaly_eval.conftest import draw_data

    folder = tmp_path_factory.mktemp("thresholds")
    data, rng = draw_data(folder), np.random.default_rng(1)
    for index in range(2):
        image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        write_pair(data / "quiet", str(index), image, np.zeros((SIZE[1], SIZE[0]), np.uint8))
    (folder / "quiet.yaml").write_text(QUIET_CARD)
    for seed in range(2):
        network = networks.save(folder / f"{seed}.pth", networks.CGNET, networks.build(networks.CGNET, seed))
        words = [
            "eval",
            "--ckpt",
            str(network),
            "--data-root",
            str(data),
            "--device",
            "cpu",
            "--scores",
            "msp",
            "energy",
        ]
        home = str(folder / f"home{seed}")
        given = ["--thresholds", f"{home}/thresholds.json"]
        goals = ["--operating-points", "fpr=0.3", "f1"]
        assert main([*words, "--dataset", "road_anomaly", *goals, "--out", home]) == 0
        assert main([*words, "--dataset", f"{folder}/quiet.yaml", *given, "--out", str(folder / f"quiet{seed}")]) == 0
    return folder


def means(folder: Path) -> pd.DataFrame:
    """Read the means and deviations at thresholds."""
    found = pd.read_csv(folder / "groups.csv")
    return found[found["point"].notna()].set_index([*PLACE, "metric"])


def test_means_at_thresholds_are_those_of_pandas(report: Command, tmp_path: Path) -> None:
    code, output, errors = report("home0", "--group", "both=home0,home1")
    assert code == 0, errors
    measured = pd.read_csv(tmp_path / "report/operating_points.csv")
    assert list(dict.fromkeys(measured["run"])) == ["home0", "both/home0", "both/home1"]
    grouped = measured[measured["run"] != "home0"].groupby(PLACE)[METRICS]
    found = means(tmp_path / "report")
    assert len(found) == len(METRICS) * len(grouped) == 6 * 2 * 2 and set(found["n"]) == {2}
    for at, own in grouped:
        for metric in METRICS:
            row = found.loc[(*at, metric)]
            assert row["mean"] == pytest.approx(own[metric].mean(), rel=1e-12)
            assert row["sd"] == pytest.approx(own[metric].std(), rel=1e-9, abs=1e-9)
    for point in ("fpr=0.3", "f1"):
        row = found.loc[("road_anomaly", "msp", point, "road_anomaly", "tpr")]
        assert f"{row['mean']:.2f} ± {row['sd']:.2f}" in output
    # A run shows its threshold, a mean none.
    threshold = measured["threshold"].iloc[0]
    assert f"home0: MSP {threshold:.6g} " in output and "both: MSP -- " in output
    assert "each run has its own, to be found in operating_points.csv" in output


def test_sets_without_anomalies_show_what_a_group_has_there(report: Command, tmp_path: Path) -> None:
    code, output, errors = report("--group", "both=quiet0,quiet1")
    assert code == 0, errors
    measured = pd.read_csv(tmp_path / "report/operating_points.csv").groupby(PLACE)["false_alarms"]
    found = means(tmp_path / "report")
    for at, alarms in measured:
        row = found.loc[(*at, "false_alarms")]
        assert (row["mean"], row["sd"]) == pytest.approx((alarms.mean(), alarms.std()))
        assert np.isnan(found.loc[(*at, "tpr")]["mean"])
        assert f"{row['mean']:.2f} ± {row['sd']:.2f}" in output
    # What the files of thresholds say of where these were chosen is averaged, too.
    assert report("--group", "both=home0,home1")[0] == 0
    home = means(tmp_path / "report")
    pd.testing.assert_frame_equal(found.loc[["road_anomaly"]].sort_index(), home.sort_index())
    code, output, errors = report("--group", "lone=quiet0")
    assert code == 0 and "fpr=0.3 on Road Anomaly" in output and "lone: one run (quiet0)" in output


def test_thresholds_that_a_run_has_not_have_no_mean(report: Command, made: Path, tmp_path: Path) -> None:
    kept = [row for row in points(made / "home1") if (row["method"], row["point"]) != ("msp", "fpr=0.3")]
    other = edited(made / "home1", tmp_path / "other", operating_points=kept)
    code, output, errors = report("--group", f"x=home0,{other}")
    assert code == 0, errors
    assert "road_anomaly: no mean of msp at fpr=0.3 on road_anomaly, as other has no threshold" in output
    shown = set(means(tmp_path / "report").reset_index().groupby(["method", "point"]).groups)
    assert shown == {("energy", "fpr=0.3"), ("energy", "f1"), ("msp", "f1")}
    none = edited(made / "quiet1", tmp_path / "none", operating_points=[], given_thresholds=[])
    assert_refused(
        report("--group", f"x=quiet0,{none}"),
        "there is nothing to show, as no group has anything that all of its runs measured",
    )


def test_thresholds_of_other_images_are_not_averaged(report: Command, made: Path, tmp_path: Path) -> None:
    given = [row | {"n_images": 3} for row in points(made / "quiet1", "given_thresholds")]
    other = edited(made / "quiet1", tmp_path / "other", given_thresholds=given)
    said = "in the images of road_anomaly that thresholds were chosen on, quiet0 has '4 images"
    assert_refused(
        report("--group", f"x=quiet0,{other}"), "the runs of x cannot be averaged", said, "other has '3 images"
    )


def points(run: Path, kind: str = "operating_points") -> list[dict[str, Any]]:
    """Return the rows of thresholds of a run."""
    rows: list[dict[str, Any]] = json.loads((run / "results.json").read_text())[kind]
    return rows
