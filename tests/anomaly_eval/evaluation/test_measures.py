"""What `eval` measures on request: intervals, differences, means over images, components, other conventions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.evaluation import anomaly
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.components import OBSTACLE_TRACK, ComponentState
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.rates import CONVENTIONS, fpr_at_tpr
from anomaly_eval.metrics.registry import FPR95
from tests.anomaly_eval.commands import assert_refused, nothing_left, read, rows


def test_intervals_hold_the_metric_and_are_the_same_for_a_seed(tmp_path, evaluate):
    assert evaluate("--scores", "msp", "energy", "--bootstrap", "200", "--seed", "5")[0] == 0
    results = read(tmp_path)
    assert "200 resamples" in results.provenance.bootstrap and "seed 5" in results.provenance.bootstrap
    measured = {row.method: row for row in results.rows}
    assert len(results.intervals) == 6
    for row in results.intervals:
        assert row.low <= measured[row.method].metrics[row.metric] <= row.high
        # Of four images one has no anomaly, so a few resamples have none either.
        assert 190 <= row.n_resamples <= 200
    assert [(row.method, row.other, row.metric) for row in results.differences] == [
        ("msp", "energy", metric) for metric in ("auroc", "ap", "fpr95")
    ]
    for row in results.differences:
        assert row.difference == pytest.approx(
            measured["msp"].metrics[row.metric] - measured["energy"].metrics[row.metric]
        )
        assert row.low <= row.difference <= row.high
    first = (tmp_path / "out" / "intervals.csv").read_bytes()
    assert len(rows(tmp_path / "out", "differences.csv")) == 3
    row = results.intervals[0]
    for name in ("results.md", "results.tex"):
        assert f"{row.low:.1f}, {row.high:.1f}" in (tmp_path / "out" / name).read_text()
    evaluate("--scores", "msp", "energy", "--bootstrap", "200", "--seed", "5", "--overwrite")
    assert (tmp_path / "out" / "intervals.csv").read_bytes() == first
    evaluate("--scores", "msp", "energy", "--bootstrap", "200", "--seed", "6", "--overwrite")
    assert (tmp_path / "out" / "intervals.csv").read_bytes() != first


def test_without_being_asked_nothing_more_is_measured(tmp_path, evaluate):
    assert evaluate("--scores", "msp")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "curves.csv",
        "histograms.csv",
        "results.csv",
        "results.json",
        "results.md",
        "results.tex",
    }
    assert read(tmp_path).provenance.bootstrap is None


def test_means_over_images_have_names_of_their_own(tmp_path, evaluate):
    code, output, _ = evaluate("--scores", "msp", "--per-image")
    assert code == 0
    (row,) = rows(tmp_path / "out", "per_image.csv")
    assert (row["n_images"], row["n_left_out"]) == ("3", "1")
    assert float(row["per_image_auroc"]) != float(rows(tmp_path / "out")[0]["auroc"])
    assert "Means over images" in output
    assert (tmp_path / "out" / "per_image.tex").read_text().count(f"{float(row['per_image_auroc']):.2f}") == 1


@pytest.fixture
def compute_by(monkeypatch):
    """Have all score maps computed by a function of the label and of what the network computes of the image."""

    def install(change):
        real = anomaly.score_computation

        def changed(source, samples, clock):
            compute = real(source, samples, clock)
            return lambda sample, image, label: change(label, source.maps(compute(sample, image, label), clock))

        monkeypatch.setattr(anomaly, "score_computation", changed)

    return install


def test_the_network_runs_once_for_components_and_twice_where_nothing_is_kept(tmp_path, evaluate, compute_by):
    kept = []

    def counted(label, maps):
        kept.append((maps["max_logit"].copy(), label))
        return maps

    compute_by(counted)
    assert evaluate("--scores", "max_logit", "--components", "obstacle")[0] == 0
    assert len(kept) == 4
    (row,) = read(tmp_path).components
    assert (row.track, row.threshold_from) == ("obstacle", "best_f1")
    scores, labels = (np.stack(column) for column in zip(*kept, strict=True))
    f1 = {t: 2 * (labels[scores >= t] == 1).sum() / ((scores >= t).sum() + labels.sum()) for t in np.unique(scores)}
    assert row.threshold == max(f1, key=f1.get)
    state = ComponentState(OBSTACLE_TRACK, row.threshold)
    for pair in kept:
        state.update(*pair)
    expected = state.compute()
    assert (row.metrics["mean_siou"], row.metrics["mean_ppv"]) == (100 * expected.mean_siou, 100 * expected.mean_ppv)
    assert row.metrics["mean_f1"] == 100 * expected.mean_f1
    assert row.n_components == expected.n_components == 3

    kept.clear()
    options = ["--components", "obstacle", "--no-journal", "--overwrite"]
    assert evaluate("--scores", "max_logit", *options)[0] == 0
    assert len(kept) == 8
    assert read(tmp_path).components == [row]

    kept.clear()
    threshold = str(row.threshold)
    options = ["--components", "obstacle", f"--component-threshold={threshold}", "--no-journal", "--overwrite"]
    assert evaluate("--scores", "max_logit", *options)[0] == 0
    assert len(kept) == 4
    (again,) = read(tmp_path).components
    assert again == row.model_copy(update={"threshold_from": "given"})
    assert "given" in (tmp_path / "out" / "results.md").read_text()
    assert "obstacle track" in (tmp_path / "out" / "components.tex").read_text()


@pytest.fixture
def tied(compute_by):
    """Replace all score maps by one with few distinct values, on which conventions differ, and return what was used."""
    kept = []

    def rounded(label, maps):
        steps = np.random.default_rng(len(kept)).integers(0, 5, label.shape).astype(np.float32)
        # At score 5 exactly 95 % of the anomalies of each image are found, at 1 all.
        steps[label == 1] = np.repeat(np.float32([5, 1]), [380, 20])[: (label == 1).sum()]
        kept.append((steps, label))
        return dict.fromkeys(maps, steps)

    compute_by(rounded)
    return kept


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_convention_of_fpr95_is_used_throughout_and_named(tmp_path, evaluate, tied, convention):
    options = ["--scores", "msp", "--fpr95", convention, "--per-image", "--bootstrap", "50"]
    assert evaluate(*options)[0] == 0
    results = read(tmp_path)
    assert results.conventions.metrics["fpr95"] == FPR95.conventions[convention]
    assert f"FPR95: {convention}" in (tmp_path / "out" / "results.md").read_text()

    def fpr95(images, kind):
        state = RankingState()
        for scores, label in images:
            state.update(scores, label)
        return 100 * fpr_at_tpr(state.counts(), convention=kind)

    assert len({fpr95(tied, kind) for kind in CONVENTIONS}) >= 3
    assert results.rows[0].metrics["fpr95"] == fpr95(tied, convention)
    alone = [fpr95([image], convention) for image in tied[1:]]
    assert results.per_image[0].metrics["per_image_fpr95"] == pytest.approx(sum(alone) / 3)
    (interval,) = (row for row in results.intervals if row.metric == "fpr95")
    # Images differ little, so the intervals of the conventions do not overlap.
    assert interval.low <= fpr95(tied, convention) <= interval.high
    for other in CONVENTIONS:
        if abs(fpr95(tied, other) - fpr95(tied, convention)) > 10:
            assert not interval.low <= fpr95(tied, other) <= interval.high


@pytest.mark.parametrize("first", ["narrow", "void"])
def test_first_images_unlike_the_others_give_no_impossible_intervals(tmp_path, evaluate, compute_by, first):
    numbers = itertools.count()

    def changed(label, maps):
        index = next(numbers)
        scores = 100 + np.random.default_rng(index).standard_normal(label.shape).astype(np.float32) + 3 * (label == 1)
        if index < 1 and first == "narrow":
            scores[:] = -1
        if index < 1 and first == "void":
            label[:] = 255
        return {"msp": scores}

    compute_by(changed)
    assert evaluate("--scores", "msp", "--bootstrap", "100")[0] == 0
    results = read(tmp_path)
    for row in results.intervals:
        assert 0 <= row.low <= results.rows[0].metrics[row.metric] <= row.high <= 100
        assert row.high - row.low < 8


def test_bins_that_do_not_fit_are_told(tmp_path, evaluate, tied, monkeypatch):
    monkeypatch.setattr(
        "anomaly_eval.evaluation.measures.ScoreBins.fitted", lambda scores, bits: ScoreBins(np.float32([2.5]))
    )
    assert evaluate("--scores", "msp", "--bootstrap", "20")[0] == 0
    results = read(tmp_path)
    assert any("no intervals of msp, as bins fitted to its first 4 images" in warning for warning in results.warnings)
    assert not results.intervals and len(results.rows) == 1


def test_methods_are_compared_on_the_same_resamples(tmp_path, evaluate, tied):
    assert evaluate("--scores", "msp", "energy", "--bootstrap", "100")[0] == 0
    for row in read(tmp_path).differences:
        assert (row.low, row.difference, row.high) == (0, 0, 0)


def test_a_card_without_a_track_is_told_before_the_network_is_loaded(tmp_path, evaluate, checkpoint):
    checkpoint.write_bytes(b"no checkpoint")
    assert_refused(evaluate("--scores", "msp", "--components", "card"), "names no track")


def test_bad_requests(tmp_path, data, evaluate):
    assert_refused(evaluate("--scores", "msp", "--components", "card"), "road_anomaly", "--components anomaly")
    assert_refused(evaluate("--scores", "msp", "--component-threshold", "0.5"), "--components")
    assert_refused(evaluate("--scores", "msp", "--seed", "1"), "--seed", "--bootstrap")
    assert_refused(
        evaluate("--scores", "msp", "--components", "anomaly", "--component-threshold", "nan"), "threshold", "number"
    )
    for option in (["--bootstrap", "10"], ["--per-image"], ["--components", "obstacle"], ["--fpr95", "nearest"]):
        assert_refused(evaluate(*option, dataset=str(tmp_path / "training.yaml")), option[0], "only closed-set")
    assert nothing_left(tmp_path)


def test_what_a_dataset_does_not_allow_is_a_warning_and_the_rest_is_kept(tmp_path, data, evaluate):
    for index in range(4):
        (data / "road_anomaly" / "images" / f"{index}.png").rename(tmp_path / f"{index}.png")
        (data / "road_anomaly" / "labels_masks" / f"{index}.png").unlink()
    (tmp_path / "0.png").rename(data / "road_anomaly" / "images" / "0.png")
    mask = np.zeros((64, 96), np.uint8)
    mask[3, 3] = 2
    Image.fromarray(mask).save(data / "road_anomaly" / "labels_masks" / "0.png")
    code, output, _ = evaluate("--scores", "msp", "--components", "anomaly", "--bootstrap", "10")
    assert code == 0
    results = read(tmp_path)
    assert len(results.rows) == 1 and not results.components and not results.intervals
    shown = " ".join(output.split())
    assert "Intervals:" not in (tmp_path / "out" / "results.md").read_text()
    for words in ("no component metrics, as there is no ground-truth component", "no intervals, as one image alone"):
        assert words in shown
        assert any(words in warning for warning in results.warnings)


def test_intervals_lie_around_the_exact_metric_whatever_the_bins(tmp_path, evaluate, monkeypatch):
    monkeypatch.setattr("anomaly_eval.evaluation.measures._BOOTSTRAP_BITS", 8)
    assert evaluate("--scores", "energy", "--bootstrap", "300")[0] == 0
    coarse = {row.metric: (row.low, row.high) for row in read(tmp_path).intervals}
    monkeypatch.setattr("anomaly_eval.evaluation.measures._BOOTSTRAP_BITS", 16)
    assert evaluate("--scores", "energy", "--bootstrap", "300", "--overwrite")[0] == 0
    for row in read(tmp_path).intervals:
        assert coarse[row.metric] == pytest.approx((row.low, row.high), abs=1.0)
