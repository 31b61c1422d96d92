"""A metric is one entry of the registry: whatever shows metrics shows it then."""

from __future__ import annotations

import json
import re
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_curve

from anomaly_eval.cli.main import main
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.rates import tpr_at_fpr
from anomaly_eval.metrics.registry import Metric, RankingMetric
from anomaly_eval.results.records import Results
from tests.anomaly_eval.commands import read, rows

KEY, TITLE = "recall_at_fpr1", "Recall_1"
RECALL = RankingMetric(key=KEY, title=TITLE, of=partial(tpr_at_fpr, fpr=0.01), definition="recall at 1 % FPR")
MISSED = Metric(key="missed", title="Missed", of=lambda found: 1 - found.mean_siou, higher_is_better=False)
WRONG = Metric(key="wrong", title="Wrong", of=lambda found: 1 - found.pixel_accuracy, higher_is_better=False)

FOUND = Metric(key="found", title="Found", of=lambda one: one.accuracy)


@pytest.fixture
def recall(monkeypatch):
    monkeypatch.setattr(registry, "RANKING", (*registry.RANKING, RECALL))


def results_of_classes(folder):
    return rows(folder / "out", "closed_set_classes.csv")


def by_scikit_learn(folder, data, method):
    """The largest recall at a false-positive rate of at most 1 %, in percent, from the maps that were written."""
    names = sorted(path.name for path in (data / "road_anomaly" / "labels_masks").iterdir())
    labels = [np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / name)) == 2 for name in names]
    found = sorted((folder / "scores").rglob(f"{method}/*.tif*"))
    maps = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in found]
    assert [path.stem for path in found] == [name.removesuffix(".png") for name in names]
    fpr, tpr, _ = roc_curve(np.ravel(labels), np.ravel(maps), drop_intermediate=False)
    return 100 * tpr[fpr <= 0.01].max()


def test_a_ranking_metric_is_everywhere(tmp_path, data, evaluate, recall, capsys):
    more = ("--bootstrap", "20", "--per-image", "--page", "--save-scores", "float32")
    code, output, errors = evaluate("--scores", "msp", "energy", *more)
    assert code == 0, errors
    out, results = tmp_path / "out", read(tmp_path)
    for row, line in zip(results.rows, rows(out), strict=True):
        assert row.metrics[KEY] == float(line[KEY]) == pytest.approx(by_scikit_learn(out, data, row.method), abs=1e-9)
        shown = f"{row.metrics[KEY]:.2f}"
        for name in ("results.md", "results.tex", "index.html"):
            assert shown in (out / name).read_text(), name
        assert shown in output
    written = json.loads((out / "results.json").read_text())
    assert list(written["rows"][0])[:6] == ["dataset", "method", "auroc", "ap", "fpr95", KEY]
    assert written["conventions"][KEY] == "recall at 1 % FPR"
    assert re.search(rf"FPR95 ↓ +{TITLE} ↑ *$", output, re.M)
    means, titles = re.search(rf"^(.*mean +mean) *\n(.*FPR95 ↓ +{TITLE} ↑) *$", output, re.M).groups()
    assert len(means) == len(titles)
    assert r"Recall\_1 $\uparrow$" in (out / "results.tex").read_text()
    assert r"Recall\_1: recall at 1 \% FPR." in (out / "results.tex").read_text()
    assert [row.metric for row in results.intervals if row.method == "msp"][-1] == KEY
    assert [row.metric for row in results.differences][-1] == KEY
    assert results.per_image[0].metrics[f"per_image_{KEY}"] > 0

    page = (out / "index.html").read_text()
    outline = json.loads(re.search(r'id="page-data">(.*?)</script>', page).group(1))
    assert outline["metrics"][-1] == {"key": KEY, "title": TITLE, "higherIsBetter": True}
    ranked = [sample["metrics"][0] for sample in outline["datasets"][0]["samples"]]
    assert sum(KEY in metrics for metrics in ranked if metrics) == 3

    assert (
        main(["report", str(out), str(out), "--names", "a", "b", "--out", str(tmp_path / "both"), "--intervals"]) == 0
    )
    assert TITLE in capsys.readouterr().out
    for name, text in (
        ("results.tex", r"Recall\_1"),
        ("report.md", TITLE),
        ("results.csv", KEY),
        ("index.html", TITLE),
    ):
        assert text in (tmp_path / "both" / name).read_text(), name


def test_results_of_before_lack_it_and_are_shown(tmp_path, evaluate, monkeypatch, capsys):
    assert evaluate("--scores", "msp", "--per-image")[0] == 0
    monkeypatch.setattr(registry, "RANKING", (*registry.RANKING, RECALL))
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "again")]) == 0
    assert re.search(rf"FPR95 ↓ +{TITLE} ↑", capsys.readouterr().out)
    (line,) = rows(tmp_path / "again")
    assert line[KEY] == "" and float(line["auroc"]) > 0


def test_other_groups_grow_alike(tmp_path, evaluate, monkeypatch):
    monkeypatch.setattr(registry, "COMPONENTS", (*registry.COMPONENTS, MISSED))
    monkeypatch.setattr(registry, "CLOSED_SET", (*registry.CLOSED_SET, WRONG))
    monkeypatch.setattr(registry, "CLASSES", (*registry.CLASSES, FOUND))
    code, output, errors = evaluate("--scores", "msp", "--components", "obstacle")
    assert code == 0, errors
    found = read(tmp_path).components[0].metrics
    assert found["missed"] == pytest.approx(100 - found["mean_siou"])
    assert "Missed ↓" in output and "missed" in (tmp_path / "out" / "components.csv").read_text()
    card = str(tmp_path / "training.yaml")
    code, output, errors = evaluate("--overwrite", dataset=card)
    assert code == 0, errors
    found = read(tmp_path).closed_set[0].metrics
    assert found["wrong"] == pytest.approx(100 - found["aacc"])
    assert results_of_classes(tmp_path)[0]["found"] == results_of_classes(tmp_path)[0]["acc"]
    assert "Found" in output and "| Class | IoU | Acc | Found |" in (tmp_path / "out" / "results.md").read_text()
    assert "Wrong ↓" in output and r"Wrong $\downarrow$" in (tmp_path / "out" / "closed_set.tex").read_text()


def test_a_metric_that_nobody_knows_is_refused(tmp_path, evaluate):
    assert evaluate("--scores", "msp")[0] == 0
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    content["rows"][0][KEY] = 1.0
    with pytest.raises(ValueError, match=KEY):
        Results.model_validate(content)


def test_frameworks_get_it(recall):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")
    from anomaly_eval.adapters.torchmetrics import AnomalyRanking
    from anomaly_eval.metrics.bins import ScoreBins

    scores, labels = torch.tensor([3.0, 2.0, 1.0, 0.0]), torch.tensor([1, 0, 1, 0])
    for bins in (None, ScoreBins.uniform(12)):
        metric = AnomalyRanking(bins)
        metric.update(scores, labels)
        assert metric.compute()[KEY] == 0.5
    assert metric.compute()[f"{KEY}_low"] <= 0.5 <= metric.compute()[f"{KEY}_high"]
