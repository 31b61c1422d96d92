"""The page is one file whose text and data are safe, whatever names hold, and whose size is bounded."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.reports.page import PageStore, write, write_page
from anomaly_eval.results.records import (
    ClosedSetClassRow,
    ClosedSetRow,
    ComponentRow,
    DifferenceRow,
    IntervalRow,
    Results,
)
from anomaly_eval.results.titles import method_name
from tests.anomaly_eval.reports.conftest import ROAD_ANOMALY, row
from tests.anomaly_eval.reports.page.made import Made, exact, fill, make

NASTY = "</script><b>\"é'&{{TITLE}}\u2028"


class Reader(HTMLParser):
    """Reads a page as a browser does: its elements, its text, and what its scripts hold."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.scripts: dict[str, str] = {}
        self.addresses: list[str] = []
        self._script: str | None = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attributes)
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value]
        self._script = (found.get("id") or "program") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def data(self, name: str = "page-data") -> dict[str, Any]:
        return dict(json.loads(self.scripts[name]))


def run(results: Results, dataset: str, methods: Sequence[str] = ("msp", "sml")) -> Results:
    """Return the results with rows of one dataset only."""
    record = results.datasets[1].model_copy(update={"name": dataset, "title": f"Title of {dataset}"})
    rows = [row(dataset, method, 50 + index, 10 + index, 90 - index) for index, method in enumerate(methods)]
    return results.model_copy(update={"rows": rows, "datasets": [record]})


def test_names_are_text_and_never_markup(tmp_path: Path, results: Results) -> None:
    made = {NASTY: make(0), "\udce9 lone": make(1)}
    nasty = run(results, NASTY, [NASTY, "sml"]).model_copy(update={"warnings": [NASTY]})
    with PageStore(tmp_path) as store:
        for name, one in made.items():
            store.add(NASTY, NASTY, name, one.image, one.label, one.maps["msp"])
        path = write_page(store, nasty, {}, tmp_path)
    assert path == tmp_path / "index.html" and sorted(tmp_path.iterdir()) == [path]
    read = Reader(path)
    assert "b" not in read.tags and read.tags.count("script") == 4
    assert read.text.count(NASTY) >= 4
    assert read.data()["datasets"][0]["samples"][0]["id"] == NASTY
    assert read.data()["methods"] == [method_name(NASTY)]


def test_nothing_is_fetched(tmp_path: Path, results: Results) -> None:
    with PageStore(tmp_path) as store:
        curves = fill(store, ROAD_ANOMALY, {"a": make(0)})
        path = write_page(store, run(results, ROAD_ANOMALY), curves, tmp_path)
    assert Reader(path).addresses == ["data:,"]
    text = path.read_text()
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)


def pictures(path: Path, sample: int, method: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Return what the page holds of a method on an image, its levels, and the label."""
    found = Reader(path).data(f"pictures-0-{sample}")
    levels, label = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        for text in (found["maps"][method]["levels"], found["label"])
    )
    return found["maps"][method], levels, label


def test_levels_and_counts_in_the_file_are_exact(tmp_path: Path, results: Results) -> None:
    made = {"a": make(0), "b": make(1, (300, 700)), "c": make(2, (90, 50), with_anomaly=False)}
    steps: list[tuple[int, int]] = []
    with PageStore(tmp_path) as store:
        curves = fill(store, ROAD_ANOMALY, made)
        path = write_page(
            store, run(results, ROAD_ANOMALY), curves, tmp_path, progress=lambda *step: steps.append(step)
        )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    [dataset] = Reader(path).data()["datasets"]
    assert dataset["images"] == 3 and dataset["title"] == f"Title of {ROAD_ANOMALY}"
    assert [sample["metrics"][0] is None for sample in dataset["samples"]] == [False, False, True]
    for method, name in enumerate(("msp", "sml")):
        found = dataset["methods"][method]["levels"]
        thresholds = np.array(found["thresholds"], np.float32)
        for index in range(0, len(thresholds), 40):
            pooled = found["anomalies"][index], found["inliers"][index]
            assert pooled == exact(made, name, thresholds[index])[:2]
        for sample, (sample_id, one) in enumerate(made.items()):
            kept, levels, label = pictures(path, sample, method)
            assert max(levels.shape) <= 480 and levels.shape == label.shape
            assert np.array_equal(levels == 0, label == 255)
            for index in range(0, len(thresholds), 40):
                counts = exact({sample_id: one}, name, thresholds[index])
                assert (kept["anomalies"][index], kept["inliers"][index]) == counts[:2]
                if levels.shape == one.label.shape:
                    masked = (one.maps[name] >= thresholds[index]) & (one.label != 255)
                    assert np.array_equal(levels > index, masked)
                # Nothing above the threshold is lost on the way to a smaller picture.
                assert (levels > index).any() == bool(counts[0] + counts[1])


def test_a_method_may_lack_on_some_images(tmp_path: Path, results: Results) -> None:
    first, second = make(0), make(1)
    with PageStore(tmp_path) as store:
        fill(store, ROAD_ANOMALY, {"a": first, "b": Made(second.image, second.label, {"msp": second.maps["msp"]})})
        path = write_page(store, run(results, ROAD_ANOMALY), {}, tmp_path)
    assert Reader(path).data("pictures-0-1")["maps"][1] is None


def test_closed_set_results_alone_make_a_page(tmp_path: Path, results: Results) -> None:
    record = results.datasets[1].model_copy(update={"task": "closed_set", "n_images_without_anomaly": None})
    name = record.name
    classes = [
        ClosedSetClassRow(
            dataset=name, class_id=index, name=text, iou=value, acc=value, n_label_pixels=1, n_predicted_pixels=2
        )
        for index, (text, value) in enumerate([("road", 91.25), ("<train>", float("nan"))])
    ]
    row = ClosedSetRow(
        dataset=name, miou=70.5, macc=80, aacc=90, n_images=5, n_pixels=6, n_classes=2, protocol="the card"
    )
    closed = results.model_copy(
        update={"rows": [], "datasets": [record], "closed_set": [row], "closed_set_classes": classes}
    )
    with PageStore(tmp_path) as store:
        read = Reader(write_page(store, closed, {}, tmp_path))
    assert "svg" not in read.tags and "canvas" not in read.tags and read.data()["datasets"] == []
    for text in ("Closed-set segmentation", "70.50", "<train>", "91.25"):
        assert text in read.text


def test_everything_that_was_measured_is_told(tmp_path: Path, results: Results) -> None:
    more = results.model_copy(
        update={
            "intervals": [
                IntervalRow(dataset=ROAD_ANOMALY, method="sml", metric="ap", low=20.04, high=30.06, n_resamples=9)
            ],
            "differences": [
                DifferenceRow(
                    dataset=ROAD_ANOMALY,
                    method="sml",
                    other="msp",
                    metric="ap",
                    difference=14.33,
                    low=-1.5,
                    high=20,
                    n_resamples=9,
                )
            ],
            "components": [
                ComponentRow(
                    dataset=ROAD_ANOMALY,
                    method="sml",
                    track="anomaly",
                    threshold=0.5,
                    threshold_from="best_f1",
                    mean_siou=31.5,
                    mean_ppv=float("nan"),
                    mean_f1=12.25,
                    n_components=4,
                    n_predicted=0,
                )
            ],
        }
    )
    with PageStore(tmp_path) as store:
        text = write_page(store, more, {}, tmp_path, with_published=True).read_text()
    for wanted in (
        '<span class="best">25.82</span> <small>[20.0, 30.1]</small>',
        "14.33",
        "-1.50",
        "31.50",
        "Published",
        "a &lt;second&gt; | warning",
        results.conventions.pooling,
        results.provenance.model.checkpoint_sha256,
        results.provenance.model.resize,
        "torch 2.4",
        "gmmseg-anomaly eval",
        "no pixel of the classes wall &amp; train_car",
    ):
        assert wanted in text, wanted
    # What is not a number is not sorted as one.
    assert 'data-value="nan"' not in text


def test_pictures_stay_within_the_limit(tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: make(index, (400, 600)) for index, name in enumerate("abcd")}
    sizes = {}
    for limit in (2_000_000, 900_000):
        monkeypatch.setattr(write, "SIZE_LIMIT", limit)
        with PageStore(tmp_path) as store:
            fill(store, ROAD_ANOMALY, made)
            sizes[limit] = write_page(store, run(results, ROAD_ANOMALY), {}, tmp_path).stat().st_size
        # The program, the tables and the counts come on top of the pictures.
        assert sizes[limit] < limit + 150_000
    _, levels, label = pictures(tmp_path / "index.html", 0, 0)
    assert 120 <= levels.shape[1] < 480 and levels.shape == label.shape
    assert f"at most {levels.shape[1]} pixels" in (tmp_path / "index.html").read_text()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, results: Results) -> None:
    with PageStore(tmp_path) as store, pytest.raises(InputError, match="cannot write"):
        write_page(store, results, {}, tmp_path / "missing")
