"""`--thresholds` of other scores than those of now: of another network, of other statistics, of another mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import SIZE, TRAINING_CARD, Answer, Command, assert_refused, read, rows, write_pair

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


@pytest.fixture
def training(tmp_path: Path, data: Path) -> tuple[Path, Path]:
    """Cards of two training sets of other images."""
    rng = np.random.default_rng(1)
    for index in range(3):
        image, classes = (
            rng.integers(0, top, (SIZE[1], SIZE[0], *more), np.uint8) for top, more in ((256, [3]), (5, []))
        )
        write_pair(data / "other_training", str(index), image, classes)
    other = tmp_path / "other_training.yaml"
    other.write_text(TRAINING_CARD.replace("name: training", "name: other_training"))
    return tmp_path / "training.yaml", other


@pytest.fixture
def home(tmp_path: Path, checkpoint: Path, of_network: Any, training: Any) -> Path:
    """Thresholds of scores of which two learnt on the first training set."""
    scores = ("--scores", "msp", "sml", "mahalanobis")
    assert of_network("home", checkpoint, *scores, "--fit-dataset", training[0], "--operating-points", "f1")[0] == 0
    return tmp_path / "home" / "thresholds.json"


@pytest.fixture
def statistics(tmp_path: Path, data: Path, checkpoint: Path, command: Command, training: Any) -> list[Path]:
    """Files of statistics of both training sets."""
    files = [tmp_path / f"{card.stem}.safetensors" for card in training]
    for card, file in zip(training, files, strict=True):
        words = ("--ckpt", checkpoint, "--dataset", card, "--data-root", data, "--out", file, "--device", "cpu")
        assert command("fit", *words)[0] == 0
    return files


def test_thresholds_of_scores_that_learn_keep_to_their_statistics(
    tmp_path: Path, checkpoint: Path, of_network: Any, of_maps: Any, command: Command, home: Any, statistics: Any
) -> None:
    same, other = statistics
    thresholds = ("--thresholds", home)
    photo = tmp_path / "data" / "road_anomaly" / "images" / "0.png"
    of_photo = ("predict", photo, "--ckpt", checkpoint, "--device", "cpu", *thresholds)
    # `fit` learns what `--fit-dataset` learns.
    words = ("--scores", "sml", "mahalanobis", "--stats", same, *thresholds)
    assert of_network("out", checkpoint, *words)[0] == 0
    assert not any("thresholds.json" in text for text in read(tmp_path).warnings)
    at_home = [row for row in rows(tmp_path / "home", "operating_points.csv") if row["method"] != "msp"]
    assert rows(tmp_path / "out", "operating_points.csv") == at_home
    assert command(*of_photo, "--score", "sml", "--stats", same, "--out", tmp_path / "predicted")[0] == 0
    told = (
        "the thresholds of mahalanobis in",
        str(home),
        "statistics of training (",
        "those of other_training (",
        "anew",
    )
    assert_refused(
        of_network("refused", checkpoint, "--scores", "msp", "mahalanobis", "--stats", other, *thresholds), *told
    )
    other_card = tmp_path / "other_training.yaml"
    fit = ("--scores", "mahalanobis", "--fit-dataset", other_card)
    answer = of_network("refused", checkpoint, *fit, *thresholds)
    assert_refused(answer, *told)
    # It has not fitted first what may take hours.
    assert "what is done is kept" not in answer[2]
    refused = tmp_path / "refused"
    assert_refused(command(*of_photo, "--score", "mahalanobis", "--stats", other, "--out", refused), *told)
    assert of_network("saved", checkpoint, *fit, "--save-scores")[0] == 0
    assert_refused(of_maps("refused", ["saved"], *thresholds), *told)
    # What learns nothing has nothing to do with it.
    assert of_network("msp", checkpoint, "--scores", "msp", *thresholds)[0] == 0
    assert not refused.exists()


def test_thresholds_without_a_word_on_statistics_are_taken_with_a_warning(
    tmp_path: Path, checkpoint: Path, of_network: Any, command: Command, home: Path, statistics: Any
) -> None:
    content = json.loads(home.read_text())
    assert content.pop("fits").keys() == {"sml", "mahalanobis"}
    home.write_text(json.dumps(content))
    words = ("--scores", "msp", "sml", "--stats", statistics[1], "--thresholds", home)
    code, _, errors = of_network("out", checkpoint, *words)
    assert (code, errors.count("does not say what sml learnt from")) == (0, 1)
    assert [text for text in read(tmp_path).warnings if f"{home} does not say what sml learnt from" in text]
    photo = tmp_path / "data" / "road_anomaly" / "images" / "0.png"
    words = ("--score", "sml", "--stats", statistics[1], "--thresholds", home, "--out", tmp_path / "predicted")
    code, _, errors = command("predict", photo, "--ckpt", checkpoint, "--device", "cpu", *words)
    assert (code, errors.count("does not say what sml learnt from")) == (0, 1)
    (text,) = json.loads((tmp_path / "predicted" / "predictions.json").read_text())["warnings"]
    assert "does not say what sml learnt from" in text
    assert of_network("msp", checkpoint, "--scores", "msp", "--thresholds", home)[0] == 0
    warnings = json.loads((tmp_path / "msp" / "results.json").read_text())["warnings"]
    assert not any("learnt from" in text for text in warnings)


def test_the_mean_of_probabilities_is_not_that_of_scores(
    tmp_path: Path, pair: Any, of_network: Any, of_maps: Any
) -> None:
    words = ("--scores", "msp", "--operating-points", "f1", "--save-scores", "--ensemble", "mean")
    assert of_network("big", pair, *words)[0] == 0
    files = {name: tmp_path / "big" / f"mean_of_{name}" / "thresholds.json" for name in ("probabilities", "scores")}
    assert_refused(
        of_maps("out", ["big/mean_of_scores"], "--thresholds", files["probabilities"]),
        "the thresholds of msp in",
        "another mean of networks (of probabilities, now of scores)",
    )
    assert of_maps("same", ["big/mean_of_scores"], "--thresholds", files["scores"])[0] == 0
    content = json.loads(files["probabilities"].read_text())
    assert content["origin"].pop("mean_of") == "probabilities"
    files["probabilities"].write_text(json.dumps(content))
    code, _, errors = of_maps("earlier", ["big/mean_of_scores"], "--thresholds", files["probabilities"])
    assert (code, errors.count("does not say of which mean of networks msp is")) == (0, 1)
