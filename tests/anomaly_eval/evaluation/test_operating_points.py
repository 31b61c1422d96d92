"""`eval --operating-points` and `--thresholds`: chosen on one dataset, measured on others, equal to numpy's by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from anomaly_eval.reports.comparison import Rank
from anomaly_eval.reports.operating_points import compare_operating_points
from tests.anomaly_eval.commands import SIZE, assert_refused, nothing_left, read, rows, write_pair

OTHER_CARD = """
name: other
title: Other streets
task: anomaly
variants: {test: {images: 3}}
default_variant: test
size: [96, 64]
labels: {inlier: [0], anomaly: [2], void: [9]}
layouts:
  - name: flat
    images: "{folder}/images/{id}.*"
    masks: "{folder}/labels_masks/{id}.*"
"""


@pytest.fixture
def others(tmp_path, data):
    """Cards of a dataset with anomalies and void, and of one without any anomaly."""
    rng = np.random.default_rng(1)
    for folder, value in (("other", 2), ("quiet", 0)):
        for index in range(3):
            mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
            mask[5:25, 60:70] = value
            mask[:, :8] = 9
            image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
            write_pair(data / folder, str(index), image, mask)
        (tmp_path / f"{folder}.yaml").write_text(OTHER_CARD.replace("name: other", f"name: {folder}"))
    return str(tmp_path / "other.yaml"), str(tmp_path / "quiet.yaml")


def saved(run: Path, data: Path, dataset: str, method: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Score maps that a run saved, each with its mask."""
    return [
        (np.asarray(Image.open(path)), np.asarray(Image.open(data / dataset / "labels_masks" / f"{path.stem}.png")))
        for path in sorted((run / "scores" / dataset / method).glob("*.tif"))
    ]


def by_hand(maps: list[tuple[np.ndarray, np.ndarray]], threshold: float) -> dict[str, float]:
    """What a threshold does, from score maps and masks in which 2 is an anomaly and 9 void."""
    scores = np.concatenate([values[mask != 9] for values, mask in maps])
    anomaly = np.concatenate([mask[mask != 9] == 2 for _, mask in maps])
    predicted = scores >= np.float32(threshold)
    hits, false, missed = (predicted & anomaly).sum(), (predicted & ~anomaly).sum(), (~predicted & anomaly).sum()
    alarms = 0
    for values, mask in maps:
        numbers, count = ndimage.label((values >= np.float32(threshold)) & (mask != 9), structure=np.ones((3, 3)))
        alarms += count - len(set(numbers[mask == 2]) - {0})
    known = {"fpr": 100 * false / (~anomaly).sum(), "false_alarms": alarms / len(maps)}
    if not anomaly.any():
        return known
    return known | {
        "tpr": 100 * hits / anomaly.sum(),
        "precision": 100 * hits / (hits + false),
        "f1": 200 * hits / (2 * hits + false + missed),
        "iou": 100 * hits / (hits + false + missed),
    }


def test_thresholds_move_from_one_dataset_to_others(tmp_path, data, others, evaluate):
    other, quiet = others
    home = tmp_path / "home"
    assert evaluate("--scores", "msp", "energy", "--save-scores", "--operating-points", "fpr=0.05", "tpr=0.9", "f1",
                    out=str(home))[0] == 0  # fmt: skip
    at_home = rows(home, "operating_points.csv")
    assert [(row["method"], row["point"]) for row in at_home] == [
        (method, point) for method in ("msp", "energy") for point in ("fpr=0.05", "tpr=0.9", "f1")
    ]
    for row in at_home:
        maps = saved(home, data, "road_anomaly", row["method"])
        anomalies = np.concatenate([values[mask == 2] for values, mask in maps])
        inliers = np.sort(np.concatenate([values[mask == 0] for values, mask in maps]))
        candidates = np.unique(anomalies)
        fpr = (len(inliers) - np.searchsorted(inliers, candidates)) / len(inliers)
        if row["point"] == "fpr=0.05":
            assert float(row["threshold"]) == candidates[fpr <= 0.05].min()
        for name, value in by_hand(maps, float(row["threshold"])).items():
            assert float(row[name]) == pytest.approx(value, rel=1e-12), name
    code, output, errors = evaluate("--scores", "msp", "energy", "--save-scores", "--page", "--per-image",
                                    "--bootstrap", "20", "--components", "obstacle", "--figures",
                                    "--dataset", other, quiet, "--thresholds", str(home / "thresholds.json"),
                                    dataset=other)  # fmt: skip
    assert code == 0, errors
    moved = rows(tmp_path / "out", "operating_points.csv")
    assert len(moved) == 2 * len(at_home)
    assert {(row["learnt_on"], row["dataset"]) for row in moved} == {
        ("road_anomaly", "other"),
        ("road_anomaly", "quiet"),
    }
    for row in moved:
        (same,) = [one for one in at_home if (one["method"], one["point"]) == (row["method"], row["point"])]
        assert row["threshold"] == same["threshold"]
        expected = by_hand(saved(tmp_path / "out", data, row["dataset"], row["method"]), float(row["threshold"]))
        for name in ("tpr", "fpr", "precision", "f1", "iou", "false_alarms"):
            if name in expected:
                assert float(row[name]) == pytest.approx(expected[name], rel=1e-12), name
            else:
                assert math.isnan(float(row[name])), name
    results = read(tmp_path)
    assert {row.dataset for row in results.rows} == {"other"}
    assert any(text.startswith("quiet: there is no anomaly pixel") for text in results.warnings)
    # What moving costs stands side by side: at home from the file, on the others measured.
    text = (tmp_path / "out" / "results.md").read_text()
    assert "*fpr=0.05 on Road Anomaly*" in text and "as the file of thresholds says" in text and "| -- |" in text
    assert f"{float(at_home[0]['fpr']):.2f}" in text
    assert "Operating points" in (tmp_path / "out" / "operating_points.tex").read_text()
    assert "False alarms" in output and "False alarms" in (tmp_path / "out" / "index.html").read_text()


def test_a_rate_that_the_goal_sets_is_not_ranked_where_it_was_set(tmp_path, others, evaluate):
    set_rate = {"fpr=0.05": "FPR", "tpr=0.9": "TPR", "f1": None}
    words = ("--scores", "msp", "energy", "--operating-points", *set_rate, "--dataset", others[0])
    assert evaluate(*words)[0] == 0
    table = compare_operating_points(read(tmp_path))
    titles = [one.title for one in table.datasets]
    assert [section.title for section in table.sections] == [
        f"{goal} on {home}" for home in titles for goal in set_rate
    ]
    for section in table.sections:
        goal, _, home = section.title.partition(" on ")
        for dataset, title in enumerate(titles):
            best = {
                metric.title: any(line.cells[dataset][column].rank is Rank.BEST for line in section.lines)
                for column, metric in enumerate(table.metrics)
            }
            assert best == {name: not (title == home and name == set_rate[goal]) for name in best}, section.title


def test_several_datasets_measure_the_thresholds_of_each_other(tmp_path, data, others, evaluate):
    other, _ = others
    words = ("--scores", "msp", "--operating-points", "fpr=0.05", "--save-scores")
    assert evaluate(*words, "--dataset", other)[0] == 0
    found = {(row["learnt_on"], row["dataset"]): row for row in rows(tmp_path / "out", "operating_points.csv")}
    assert set(found) == {(one, two) for one in ("road_anomaly", "other") for two in ("road_anomaly", "other")}
    for (learnt_on, dataset), row in found.items():
        assert row["threshold"] == found[learnt_on, learnt_on]["threshold"]
        expected = by_hand(saved(tmp_path / "out", data, dataset, "msp"), float(row["threshold"]))
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, rel=1e-12)
    file = json.loads((tmp_path / "out" / "thresholds.json").read_text())
    assert [(row["dataset"], row["learnt_on"]) for row in file["rows"]] == [("road_anomaly",) * 2, ("other",) * 2]
    # Score maps that were saved give the same, to the byte, and take the thresholds of their network.
    first = (tmp_path / "out" / "operating_points.csv").read_bytes()
    from anomaly_eval.cli.main import main

    again = [
        "eval",
        "--score-maps",
        str(tmp_path / "out"),
        "--dataset",
        "road_anomaly",
        other,
        "--data-root",
        str(data),
    ]
    assert main([*again, "--out", str(tmp_path / "maps"), "--operating-points", "fpr=0.05"]) == 0
    assert (tmp_path / "maps" / "operating_points.csv").read_bytes() == first
    given = ["--thresholds", str(tmp_path / "out" / "thresholds.json")]
    assert main([*again, "--out", str(tmp_path / "given"), *given]) == 0
    assert sorted((tmp_path / "given" / "operating_points.csv").read_text().splitlines()) == sorted(
        first.decode().splitlines()
    )


def test_reports_and_python_know_operating_points(tmp_path, data, checkpoint, others, capsys):
    from anomaly_eval import evaluate
    from anomaly_eval.cli.main import main

    for name in ("one", "two"):
        evaluate(checkpoint, "road_anomaly", data_root=data, out=tmp_path / name, scores=["msp"], device="cpu",
                 operating_points=["f1"], progress=False)  # fmt: skip
    runs = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert main(["report", *runs, "--out", str(tmp_path / "report"), "--format", "tex", "csv", "md", "html"]) == 0
    assert "f1 on Road Anomaly" in capsys.readouterr().out
    assert len(rows(tmp_path / "report", "operating_points.csv")) == 2
    assert "two: MSP" in (tmp_path / "report" / "report.md").read_text()


def test_other_goals_concern_no_other_table_and_other_labels_all_ranks(tmp_path, data, checkpoint, others):
    from anomaly_eval import evaluate
    from anomaly_eval.reports.report import run_report
    from anomaly_eval.reports.request import ReportRequest

    runs = [tmp_path / "one", tmp_path / "two"]
    for run, goal in zip(runs, ("f1", "fpr=0.05"), strict=True):
        evaluate(checkpoint, "road_anomaly", data_root=data, out=run, scores=["msp"], operating_points=[goal],
                 device="cpu", progress=False)  # fmt: skip
    request = ReportRequest(runs, out=tmp_path / "report", overwrite=True)
    results, points = run_report(request)
    assert len(results.sections[0].lines) == 2
    assert [section.title for section in points.sections] == ["f1 on Road Anomaly", "fpr=0.05 on Road Anomaly"]
    # Thresholds of runs of a group are not those of their mean.
    (means,) = run_report(replace(request, runs=(), groups=[f"both={runs[0]},{runs[1]}"]))
    assert means.subject == results.subject and len(means.sections[0].lines) == 1
    path = runs[1] / "results.json"
    content = json.loads(path.read_text())
    content["datasets"][0]["labels_sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    _, points = run_report(replace(request, mixed=True))
    cells = [cell for section in points.sections for line in section.lines for row in line.cells for cell in row]
    assert len(cells) == 12 and {cell.rank for cell in cells} == {Rank.OTHER}
    assert any("not those in one" in note.text for note in points.notes)


def test_without_any_anomaly_only_thresholds_are_measured(tmp_path, others, evaluate):
    _, quiet = others
    assert_refused(evaluate("--scores", "msp", dataset=quiet), "no anomaly pixel at all")
    assert evaluate("--scores", "msp", "--operating-points", "f1", out=str(tmp_path / "home"))[0] == 0
    code, _, errors = evaluate("--scores", "msp", "--thresholds", str(tmp_path / "home" / "thresholds.json"),
                                    dataset=quiet)  # fmt: skip
    assert code == 0, errors
    assert not (tmp_path / "out" / "results.csv").exists()
    assert "there is no anomaly pixel" in (tmp_path / "out" / "results.md").read_text()
    assert not (tmp_path / "out" / "thresholds.json").exists()
    (row,) = read(tmp_path).operating_points
    assert (row.n_anomaly_pixels, row.metrics["fpr"] > 0, math.isnan(row.metrics["tpr"])) == (0, True, True)


def test_bad_goals_and_files_of_thresholds_are_refused(tmp_path, data, evaluate):
    assert_refused(evaluate("--operating-points", "fpr=2"), "--operating-points", "'fpr=2'", "[0, 1)")
    assert_refused(evaluate("--operating-points", "auroc"), "write tpr=RATE")
    missing = tmp_path / "missing.json"
    assert_refused(evaluate("--thresholds", str(missing)), "no file of thresholds", "missing.json")
    assert evaluate("--scores", "msp", "--operating-points", "f1", out=str(tmp_path / "home"))[0] == 0
    path = tmp_path / "home" / "thresholds.json"
    assert_refused(evaluate("--scores", "energy", "--thresholds", str(path)), "has thresholds of msp, none of energy")
    assert_refused(
        evaluate("--scores", "msp", "--resize", "0.5x", "--thresholds", str(path)), "another --resize", "anew"
    )
    assert_refused(
        evaluate("--thresholds", str(path), dataset=str(tmp_path / "training.yaml")), "--thresholds is about anomalies"
    )
    content = json.loads(path.read_text())
    for text, words in (
        (json.dumps(content | {"rows": [content["rows"][0] | {"threshold": math.nan}]}), ("not NaN",)),
        (json.dumps(content | {"rows": [content["rows"][0] | {"point": "a\nb"}]}), ("the name",)),
        (json.dumps(content | {"rows": 5}), ("no usable thresholds",)),
        ("{", ("is no file of thresholds, or is damaged",)),
        ((tmp_path / "home" / "results.json").read_text(), ("is no file of thresholds",)),
    ):
        path.write_text(text)
        assert_refused(evaluate("--scores", "msp", "--thresholds", str(path)), "thresholds.json", *words)
    assert nothing_left(tmp_path)


def test_thresholds_of_negated_scores_stay_with_them(tmp_path, data, evaluate):
    goal = ("--scores", "msp", "--operating-points", "fpr=0.05")
    assert evaluate(*goal, "--negate", "msp", out=str(tmp_path / "home"))[0] == 0
    path = str(tmp_path / "home" / "thresholds.json")
    assert_refused(evaluate("--scores", "msp", "--thresholds", path), "are of negated scores; give --negate msp")
    assert evaluate("--scores", "msp", "--thresholds", path, "--negate", "msp")[0] == 0
    assert rows(tmp_path / "out", "operating_points.csv") == rows(tmp_path / "home", "operating_points.csv")
