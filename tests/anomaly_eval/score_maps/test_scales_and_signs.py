"""Scores of different scales, of the wrong sign, and scores that rank nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.metrics.components import OBSTACLE_TRACK, ComponentState
from tests.anomaly_eval.commands import assert_refused, nothing_left, read, rows

COMPONENTS = ["--components", "obstacle"]


@pytest.fixture
def method(tmp_path, data):
    """Return a function that writes the score maps of a method, from the anomalies of an image, and their folder."""

    def write(name: str, score) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for index in range(4):
            anomalies = np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{index}.png")) == 2
            np.save(folder / f"{index}.npy", np.asarray(score(anomalies), np.float32))
        return str(folder)

    return write


def noisy(anomalies: np.ndarray) -> np.ndarray:
    return np.random.default_rng(3).random(anomalies.shape) + 2.0 * anomalies


@pytest.fixture
def two(method) -> tuple[str, str]:
    """The same scores on two scales."""
    return method("small", lambda anomalies: noisy(anomalies) / 100), method("large", lambda a: 100 * noisy(a))


def test_one_threshold_for_several_methods_is_refused_with_the_remedy(tmp_path, two, from_maps):
    answer = from_maps(*two, *COMPONENTS, "--component-threshold", "1.5")
    assert_refused(answer, "2 methods", "scales of their own", "--component-threshold small=VALUE large=VALUE")
    assert nothing_left(tmp_path)
    code, output, _ = from_maps(*two, *COMPONENTS, "--component-threshold", "small=0.015", "large=150")
    assert code == 0
    results = read(tmp_path)
    assert [(row.method, row.threshold, row.threshold_from) for row in results.components] == [
        ("small", 0.015, "given"),
        ("large", 150.0, "given"),
    ]
    assert {row.metrics["mean_f1"] for row in results.components} == {100.0}
    assert "thresholds given: small 0.015, large 150." in " ".join(output.split())
    assert "given: small 0.015, large 150" in (tmp_path / "out" / "components.tex").read_text()


def test_methods_without_a_threshold_of_their_own_are_ranked_apart(tmp_path, two, from_maps):
    code, output, _ = from_maps(*two, *COMPONENTS, "--component-threshold", "large=150")
    assert code == 0
    found = {row.method: row for row in read(tmp_path).components}
    assert found["small"].threshold_from == "best_f1" and found["large"].threshold_from == "given"
    state = ComponentState(OBSTACLE_TRACK, found["small"].threshold)
    for index in range(4):
        label = np.asarray(Image.open(tmp_path / f"data/road_anomaly/labels_masks/{index}.png")) // 2
        state.update(np.load(Path(two[0]) / f"{index}.npy"), label)
    assert found["small"].metrics["mean_siou"] == 100 * state.compute().mean_siou
    assert "Obstacle track, thresholds given" in output and "Obstacle track, thresholds of the best" in output


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["tiny=1"], ["names 'tiny'", "small, large"]),
        (["small=1", "small=2"], ["names small twice"]),
        (["small=many"], ["small=many holds no number", "METHOD=VALUE"]),
        (["small="], ["holds no number"]),
        (["small=nan"], ["holds no number"]),
        (["large=1", "2"], ["one number for 2 methods"]),
    ],
)
def test_thresholds_that_are_none(tmp_path, two, from_maps, words, parts):
    assert_refused(from_maps(*two, *COMPONENTS, "--component-threshold", *words), *parts)
    assert nothing_left(tmp_path)


def test_a_lone_method_takes_a_bare_threshold_on_all_its_datasets(tmp_path, method, from_maps):
    folder = method("a=b", lambda anomalies: noisy(anomalies) - 4)
    for words in (["--component-threshold=-2.5"], ["--component-threshold", "a=b=-2.5"]):
        assert from_maps(folder, *COMPONENTS, *words, "--overwrite")[0] == 0
        (row,) = read(tmp_path).components
        assert (row.method, row.threshold, row.metrics["mean_f1"]) == ("a=b", -2.5, 100.0)


def test_scores_of_a_network_are_told_before_they_are_fitted(tmp_path, evaluate):
    words = ["--scores", "msp", "entropy", *COMPONENTS, "--component-threshold"]
    assert_refused(evaluate(*words, "0.5"), "2 methods", "msp=VALUE entropy=VALUE")
    assert_refused(evaluate("--components", "obstacle", "--component-threshold", "0.5"), "msp=VALUE")
    assert evaluate(*words, "msp=-0.5", "entropy=0.5")[0] == 0
    assert [row.threshold for row in read(tmp_path).components] == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.5, {"msp": 0.5}),
        ("0.5", {"msp": 0.5}),
        (["msp=0.1"], {"msp": 0.1}),
        ({"msp": 1 / 3}, {"msp": 1 / 3}),
        (np.float32(0.1), {"msp": float(str(np.float32(0.1)))}),
        (None, {}),
        ((), {}),
    ],
)
def test_thresholds_from_python(given, expected):
    measures = Measures(components="obstacle", component_threshold=given)
    measures.check()
    assert measures.component_thresholds(["msp"]) == expected
    assert Measures(negate="msp").negate == ("msp",)
    with pytest.raises(InputError, match="names 'msp'"):
        Measures(negate=["msp"]).check_methods(["energy"])


def doubts(tmp_path) -> list[str]:
    return [text for text in read(tmp_path).warnings if "images found instead of" not in text]


def warnings_of(tmp_path, output: str) -> str:
    """Return all warnings but that of missing images, which the terminal and the tables show as well."""
    found = doubts(tmp_path)
    tables = (tmp_path / "out" / "results.md").read_text().replace("\\", "")
    for warning in found:
        assert warning in " ".join(output.split()) and warning in tables
    return "\n".join(found)


def test_scores_upside_down_are_told_and_negated(tmp_path, method, from_maps):
    wrong, right = method("my wrong", lambda a: -noisy(a)), method("right", noisy)
    code, output, _ = from_maps(wrong, right)
    assert code == 0
    assert warnings_of(tmp_path, output) == (
        "road_anomaly: my wrong scores anomalies lower than inliers (AUROC 0.00); if lower is more anomalous there, "
        "give --negate 'my wrong'"
    )
    code, output, _ = from_maps(wrong, right, "--negate", "my wrong", "--overwrite", *COMPONENTS, "--bootstrap", "20")
    assert code == 0 and not doubts(tmp_path)
    one, other = ({key: value for key, value in row.items() if key != "method"} for row in rows(tmp_path / "out"))
    assert one == other
    first, second = read(tmp_path).components
    assert first.threshold == second.threshold
    assert read(tmp_path).provenance.negated == ["my wrong"]
    assert output.count("Scores taken times -1: my wrong.") == 2
    assert "times -1: my wrong" in (tmp_path / "out" / "results.tex").read_text()
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "report"), "--format", "md"]) == 0
    assert "times -1: my wrong" in (tmp_path / "report" / "report.md").read_text()


def test_what_is_negated_without_need_is_told(tmp_path, method, from_maps):
    code, output, _ = from_maps(method("right", noisy), "--negate", "right")
    assert code == 0
    assert "(AUROC 0.00); leave out --negate right" in warnings_of(tmp_path, output)
    assert_refused(from_maps(str(tmp_path / "right"), "--negate", "wrong", "--overwrite"), "names 'wrong'", "right")


def test_a_score_of_a_network_is_negated_and_not_saved_so(tmp_path, evaluate, capsys):
    words = ["--scores", "msp", "energy"]
    assert evaluate(*words)[0] == 0
    plain = rows(tmp_path / "out")
    # The class maps in between are kept as they are: a run that was interrupted goes on from them with either sign.
    assert evaluate(*words, "--negate", "msp", "--overwrite")[0] == 0
    negated = rows(tmp_path / "out")
    assert float(negated[0]["auroc"]) == pytest.approx(100 - float(plain[0]["auroc"]), abs=1e-9)
    assert negated[1] == plain[1]
    assert_refused(evaluate("--scores", "msp", "--negate", "msp", "--save-scores"), "leave out --negate")
    assert_refused(evaluate("--negate", "msp", dataset=str(tmp_path / "training.yaml")), "--negate is about anomalies")


@pytest.mark.parametrize("value", [0.0, 0.25, -np.inf, np.inf, 1e-30])
def test_constant_scores_are_told(tmp_path, method, from_maps, value):
    code, output, _ = from_maps(method("flat", lambda anomalies: np.full(anomalies.shape, value)))
    assert code == 0
    assert warnings_of(tmp_path, output) == (
        "road_anomaly: all scores of flat are equal, so they rank nothing; check where they come from"
    )
    assert float(rows(tmp_path / "out")[0]["auroc"]) == 50


@pytest.mark.parametrize("levels", [[0, 1], [1e-3, 2e-3], [-1, 0]])
def test_masks_in_place_of_scores_are_told(tmp_path, method, from_maps, levels):
    def mask(anomalies):
        return np.take(levels, anomalies ^ (np.random.default_rng(1).random(anomalies.shape) < 0.05))

    code, output, _ = from_maps(method("mask", mask))
    assert code == 0 and "the scores of mask take two values only" in warnings_of(tmp_path, output)


def test_masks_that_are_the_labels_are_told(tmp_path, method, from_maps):
    code, output, _ = from_maps(method("perfect", lambda anomalies: np.where(anomalies, 255.0, 0.0)))
    assert code == 0 and float(rows(tmp_path / "out")[0]["auroc"]) == 100
    assert "all anomaly pixels have the same score under perfect, as in a mask" in warnings_of(tmp_path, output)


@pytest.mark.parametrize(("cut", "told"), [(0.9, True), (0.3, False)])
def test_a_tie_at_the_threshold_of_fpr95_is_told(tmp_path, method, from_maps, cut, told):
    """As of probabilities that are rounded to 1: what lies below the cut has one score."""
    scores = method("rounded", lambda a: np.maximum(np.random.default_rng(7).random(a.shape) + 0.05 * a, cut))
    assert from_maps(scores)[0] == 0
    found = [text for text in doubts(tmp_path) if "which is the threshold of its FPR95" in text]
    assert bool(found) == told
    if told:
        assert "under rounded, 0.9," in found[0]


def test_poor_scores_are_no_reason_to_warn(tmp_path, method, from_maps):
    code, _, _ = from_maps(
        method("chance", lambda a: np.random.default_rng(7).random(a.shape) - 0.05 * a),
        method("three", lambda a: np.random.default_rng(7).integers(0, 3, a.shape)),
    )
    assert code == 0
    assert 40 < float(rows(tmp_path / "out")[0]["auroc"]) < 50
    assert not doubts(tmp_path)
