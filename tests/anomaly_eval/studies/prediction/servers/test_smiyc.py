"""Files for SegmentMeIfYouCan, read by h5py as the benchmark's README and code describe them."""

from __future__ import annotations

import builtins
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from sklearn.metrics import average_precision_score

from anomaly_eval.cli.main import main
from anomaly_eval.studies.prediction.records import ServerPredictions
from anomaly_eval.studies.prediction.servers.half_precision import LostOrder
from tests.anomaly_eval.commands import assert_refused, nothing_left, rows
from tests.anomaly_eval.studies.prediction.servers.conftest import drawn, files

OBSTACLES = ("--format", "smiyc", "--split", "ObstacleTrack-all", "--method", "known")


def stored(path: Path) -> np.ndarray:
    """Return the score map of a file, which holds that and nothing else."""
    with h5py.File(path) as content:
        assert list(content) == ["value"]
        return content["value"][:]


def record(folder: Path) -> ServerPredictions:
    return ServerPredictions.model_validate_json((folder / "predictions.json").read_text())


def test_each_image_is_a_file_with_one_array_of_half_precision(tmp_path, predict_known):
    reds = np.random.default_rng(0).integers(0, 256, (2, 24, 32))
    drawn(tmp_path / "images" / "snowstorm2_00_01_38.181.webp", reds[0])
    drawn(tmp_path / "images" / "curvy-street_dog_1.webp", reds[1])
    code, output, errors = predict_known(tmp_path / "images", *OBSTACLES, factor="0.3")
    assert code == 0, errors
    folder = tmp_path / "out"
    names = [
        f"anomaly_p/known/ObstacleTrack-all/{name}.hdf5" for name in ("curvy-street_dog_1", "snowstorm2_00_01_38.181")
    ]
    assert files(folder) == names
    for name, red in zip(names, reds[::-1], strict=True):
        values = stored(folder / name)
        assert values.dtype == np.float16
        np.testing.assert_array_equal(values, (np.float32(0.3) * red.astype(np.float32)).astype(np.float16))
    found = record(folder)
    assert (found.format, found.method, found.precision, found.lost_order) == ("smiyc", "known", "float16", 0)
    assert [image.files for image in found.images] == [[name] for name in names]
    assert found.images[0].name == "ObstacleTrack-all/curvy-street_dog_1" and found.images[0].width == 32
    assert "2 images in" in output and "unknown" not in output and "warning" not in errors


def test_one_run_writes_several_splits_and_a_method_by_default(tmp_path, predict_known):
    drawn(tmp_path / "anomalies" / "cow0000.jpg")
    drawn(tmp_path / "laf" / "test" / "01_Street" / "01_Street_000001_000010_leftImg8bit.png")
    words = (tmp_path / "anomalies", tmp_path / "laf" / "test", "--format", "smiyc")
    code, _, errors = predict_known(*words, "--split", "AnomalyTrack-all", "LostAndFound-test")
    assert code == 0
    assert files(tmp_path / "out") == [
        "anomaly_p/known_max_logit/AnomalyTrack-all/cow0000.hdf5",
        "anomaly_p/known_max_logit/LostAndFound-test/01_Street_000001_000010.hdf5",
    ]
    assert "AnomalyTrack-all has 110 images; given here: 1" in errors
    assert "LostAndFound-test has 1203 images; given here: 1" in errors


def test_an_evaluation_of_the_files_is_that_of_the_network(tmp_path, data, checkpoint, evaluate, predict):
    images = data / "road_anomaly" / "images"
    assert evaluate("--scores", "energy", out=str(tmp_path / "direct"))[0] == 0
    for precision in ("float32", "float16"):
        words = ("--format", "smiyc", "--split", "AnomalyTrack-all", "--method", "energy", "--score", "energy")
        assert predict(images, *words, "--maps", precision, out=precision)[0] == 0
        folder = tmp_path / precision / "anomaly_p" / "energy"
        (folder / "AnomalyTrack-all").rename(folder / "energy")
        maps = ["--score-maps", str(folder / "energy"), "--dataset", "road_anomaly", "--data-root", str(data)]
        assert main(["eval", *maps, "--out", str(tmp_path / f"of_{precision}")]) == 0
    assert rows(tmp_path / "of_float32") == rows(tmp_path / "direct")
    values = np.stack(
        [stored(tmp_path / "float16" / "anomaly_p" / "energy" / "energy" / f"{n}.hdf5") for n in range(4)]
    )
    labels = np.stack([np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{n}.png")) for n in range(4)])
    expected = 100 * average_precision_score(labels.ravel() == 2, values.ravel())
    assert float(rows(tmp_path / "of_float16")[0]["ap"]) == pytest.approx(expected, abs=1e-9)


def test_scores_beyond_half_precision_are_refused_and_fit_into_single(tmp_path, predict_known):
    path = drawn(tmp_path / "images" / "a.webp", 200)
    refused = predict_known(path, *OBSTACLES, factor="1000.0")
    assert_refused(refused, f"the score of {path} goes to 200000", "float16 ends at 65504", "--maps float32")
    assert nothing_left(tmp_path)
    assert predict_known(path, *OBSTACLES, "--maps", "float32", factor="1000.0")[0] == 0
    values = stored(tmp_path / "out" / "anomaly_p" / "known" / "ObstacleTrack-all" / "a.hdf5")
    assert values.dtype == np.float32 and (values == 200_000).all()
    assert record(tmp_path / "out").lost_order is None


def test_ranks_that_collapse_are_told(tmp_path, predict_known):
    red = np.arange(24 * 32).reshape(24, 32) % 256
    path = drawn(tmp_path / "images" / "a.webp", red)
    # Between 1024 and 2048 float16 has integers alone.
    code, _, errors = predict_known(path, *OBSTACLES, factor="4.5")
    assert code == 0 and "the same score" not in errors
    steps = "type('Near', (), {'__mul__': lambda self, red: 1100 + red / 64})()"
    code, _, errors = predict_known(path, *OBSTACLES, "--overwrite", factor=steps)
    assert code == 0
    half = (1100 + red / 64).astype(np.float16).ravel()
    exact = red.ravel()
    pairs = list(combinations(range(0, red.size, 3), 2))
    share = np.mean([half[a] == half[b] and exact[a] != exact[b] for a, b in pairs])
    assert record(tmp_path / "out").lost_order == pytest.approx(100 * share, abs=0.5)
    assert "of all pairs of pixels the same score" in errors and "--maps float32 keeps their order" in errors


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(2040, 2060)))
def test_lost_pairs_are_counted(values):
    rounded = values.astype(np.float16)
    lost = LostOrder()
    lost.add(values, rounded)
    a, b = values.ravel(), rounded.ravel()
    pairs = list(combinations(range(values.size), 2))
    expected = np.mean([a[i] != a[j] and b[i] == b[j] for i, j in pairs]) if pairs else 0
    assert lost.share == pytest.approx(expected)


def test_what_the_benchmark_cannot_have_is_refused(tmp_path, predict_known, monkeypatch):
    path = drawn(tmp_path / "images" / "a.webp")
    refused = [
        (("--format", "smiyc"), ("needs the name of the split", "AnomalyTrack-all, ObstacleTrack-all")),
        (("--format", "smiyc", "--split", "ObstacleTrack-test"), ("nothing under the split 'ObstacleTrack-test'",)),
        ((*OBSTACLES, "--maps", "none"), ("--maps none writes none",)),
        ((*OBSTACLES[:-1], "a,b"), ("--method 'a,b' is no plain folder name",)),
        ((*OBSTACLES[:-1], "x" * 101), ("is no plain folder name", "up to 100 letters")),
        ((*OBSTACLES[:-1], "../out"), ("--method '../out' is no plain folder name",)),
        ((*OBSTACLES, "--page"), ("--page is of --format pictures",)),
        ((*OBSTACLES, "--threshold", "5"), ("--threshold is of --format pictures and oodis",)),
        ((*OBSTACLES, "--least-pixels", "5"), ("--least-pixels is of --format oodis",)),
    ]
    for words, told in refused:
        assert_refused(predict_known(path, *words), *told)
        assert nothing_left(tmp_path)
    usual = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: usual("no_h5py" if name == "h5py" else name, *rest))
    assert_refused(predict_known(path, *OBSTACLES), "needs the package h5py", "pip install h5py")
