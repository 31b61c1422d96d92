"""What is kept of an image gives its score maps, every bit of them, and takes less room than they do."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_eval.datasets.samples import Sample
from anomaly_eval.evaluation.journal.record import RecordOf, decode_record, encode_record
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.coarse import as_arrays, from_arrays
from anomaly_eval.score_maps.source import NetworkScores
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.scores.base import FittedScore
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (75, 93, 3), dtype=np.uint8)
LABEL = RANDOM.integers(0, 5, (75, 93), dtype=np.uint8)
OF = RecordOf(run="a", dataset="b", id="c", image_sha256="d", label_sha256="e")
SAMPLE = Sample("7", Path("7.png"), Path("7.png"), None)


def source_of(path: Path, *names: str) -> NetworkScores:
    """Return scores of a network, those that learn fitted on one image."""
    segmenter = load_segmenter(path, device="cpu")
    scores = choose_scores(names, segmenter.provides)
    for score in scores:
        if isinstance(score, FittedScore):
            score.finish(score.observe(segmenter(IMAGE), LABEL, SAMPLE.id), segmenter.classes)
    return NetworkScores(segmenter, scores)


def kept(source: NetworkScores) -> dict[str, np.ndarray]:
    return source.outputs(None, SAMPLE, IMAGE, Clock())


def assert_same_bits(source: NetworkScores, outputs: dict[str, np.ndarray]) -> None:
    expected = score_maps(source.segmenter(IMAGE), source.scores)
    read = decode_record(encode_record(OF, outputs), OF)
    for found in (source.maps(outputs, Clock()), source.maps(read, Clock())):
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == np.float32
            assert found[name].tobytes() == values.numpy().tobytes(), name


def test_scores_share_what_is_kept(tmp_path):
    path = networks.save_gmm(tmp_path / "net.pth")
    names = ["msp", "entropy", "max_logit", "energy", "sml", "mahalanobis", "gmmseg", "gmmseg_logsumexp"]
    source = source_of(path, *names)
    outputs = kept(source)
    shapes = [values.shape for values in outputs.values() if values.ndim == 3]
    assert shapes == [(5, 10, 12)] * 3
    assert_same_bits(source, outputs)


@pytest.mark.parametrize("model", [networks.CGNET, networks.cascade(), networks.point_rend()])
def test_the_bits_are_those_of_a_network_that_just_ran(tmp_path, model):
    source = source_of(networks.save(tmp_path / "net.pth", model), "msp", "entropy", "max_logit", "energy", "sml")
    assert_same_bits(source, kept(source))


def test_what_is_averaged_over_windows_is_kept_as_score_maps(tmp_path):
    model = copy.deepcopy(networks.CGNET) | {"test_cfg": dict(mode="slide", crop_size=(48, 48), stride=(32, 32))}
    source = source_of(networks.save(tmp_path / "net.pth", model), "max_logit", "msp")
    outputs = kept(source)
    assert {name: values.shape for name, values in outputs.items()} == dict.fromkeys(["max_logit", "msp"], (75, 93))
    assert_same_bits(source, outputs)


def test_one_score_on_a_fine_grid_is_kept_as_a_score_map(tmp_path, monkeypatch):
    source = source_of(networks.save(tmp_path / "net.pth", networks.CGNET), "msp")
    assert sum(values.nbytes for values in kept(source).values()) < 4 * IMAGE.shape[0] * IMAGE.shape[1]
    whole = torch.zeros(5, 75, 93)
    monkeypatch.setattr(
        "anomaly_eval.score_maps.source.class_maps", lambda *_: {"msp": CoarseMaps.covering(whole, (75, 93))}
    )
    assert list(kept(source)) == ["msp"]


@pytest.mark.parametrize("align_corners", [False, True])
def test_grids_come_back(align_corners):
    values = torch.randn(3, 4, 5)
    one = CoarseMaps(values, (31, 39), (32.0, 40.00000000000001), align_corners)
    other = CoarseMaps.covering(values + 1, (31, 39))
    maps = {"a": one, "b": other, "c": one}
    arrays = as_arrays(maps)
    assert len(arrays) == 4
    found = from_arrays(arrays, torch.device("cpu"))
    assert found["a"] is found["c"] and found.keys() == maps.keys()
    for name, expected in maps.items():
        assert torch.equal(found[name].values, expected.values)
        for field in ("size", "extent", "align_corners"):
            assert getattr(found[name], field) == getattr(expected, field)
