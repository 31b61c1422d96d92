"""`--thresholds` of other scores than those of now: of another network, of other statistics, of another mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import Answer, Command, assert_refused, rows

Evaluate = Callable[..., Answer]


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two networks that differ in their weights."""
    return [
        networks.save(tmp_path / f"{name}.pth", networks.CGNET, networks.build(networks.CGNET, seed=seed))
        for seed, name in enumerate(("first", "second"))
    ]


@pytest.fixture
def of_network(tmp_path: Path, data: Path, command: Command) -> Evaluate:
    """Run `eval` of one network, or of several, into a folder called by a name."""

    def run(out: str, checkpoints: Path | list[Path], *words: Any) -> Answer:
        listed = checkpoints if isinstance(checkpoints, list) else [checkpoints]
        options = ("--dataset", "road_anomaly", "--data-root", data, "--device", "cpu", "--out", tmp_path / out)
        return command("eval", "--ckpt", *listed, *options, *words)

    return run


@pytest.fixture
def of_maps(tmp_path: Path, data: Path, command: Command) -> Evaluate:
    """Run `eval` of score maps that runs of these names saved."""

    def run(out: str, saved: list[str], *words: Any) -> Answer:
        options = ("--dataset", "road_anomaly", "--data-root", data, "--out", tmp_path / out)
        return command("eval", "--score-maps", *(tmp_path / name for name in saved), *options, *words)

    return run


def test_each_method_is_compared_with_its_own_network(tmp_path: Path, pair: Any, of_network: Any, of_maps: Any) -> None:
    one, other = pair
    goal = ("--operating-points", "f1")
    assert of_network("x1", one, "--scores", "msp", "--save-scores")[0] == 0
    assert of_network("x2", other, "--scores", "max_logit", "--save-scores")[0] == 0
    assert of_network("x3", one, "--scores", "msp", "max_logit", *goal)[0] == 0
    of_one = ("--thresholds", tmp_path / "x3" / "thresholds.json")
    assert_refused(
        of_maps("out", ["x1", "x2"], *of_one),
        "the thresholds of max_logit in",
        "x3/thresholds.json were chosen with another checkpoint",
    )
    assert of_maps("x4", ["x1"], *of_one)[0] == 0
    assert of_maps("both", ["x1", "x2"], *goal)[0] == 0
    of_both = ("--thresholds", tmp_path / "both" / "thresholds.json")
    assert of_maps("again", ["x2", "x1"], *of_both)[0] == 0
    assert of_network("x5", one, "--scores", "msp", *of_both)[0] == 0
    assert_refused(of_network("out", one, "--scores", "max_logit", *of_both), "the thresholds of max_logit in")
    assert [row["method"] for row in rows(tmp_path / "x5", "operating_points.csv")] == ["msp"]


def test_maps_of_unknown_origin_take_thresholds_of_any(
    tmp_path: Path, pair: Any, of_network: Any, of_maps: Any
) -> None:
    one, other = pair
    assert of_network("home", one, "--scores", "msp", "--operating-points", "f1")[0] == 0
    assert of_network("saved", other, "--scores", "msp", "--save-scores")[0] == 0
    thresholds = ("--thresholds", tmp_path / "home" / "thresholds.json")
    assert_refused(of_maps("out", ["saved"], *thresholds), "another checkpoint")
    (tmp_path / "saved" / "scores" / "index.json").unlink()
    plain = ["saved/scores/road_anomaly/msp"]
    assert of_maps("plain", plain, *thresholds)[0] == 0
