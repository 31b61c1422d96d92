"""Means of score maps, of sources and of networks with their views."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.record import RecordOf, decode_record, encode_record
from anomaly_eval.results.origins import MapsRecord, ModelRecord, Origin
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.averaged import AveragedScores
from anomaly_eval.score_maps.means import MapMean, MeanScores
from anomaly_eval.score_maps.source import NetworkScores, ScoreSource
from anomaly_eval.scores import Score, choose_scores, unfitted
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.base import Prediction, Segmenter
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.mean_probabilities import MeanProbabilities
from anomaly_eval.segmenters.views import View, Views
from tests.anomaly_eval import networks

SAMPLE = Sample("one", Path("one.png"), Path("one_label.png"), bytes(256))
SAMPLES = cast(SampleSet, None)
IMAGE = cv2.resize(
    np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC
)
NAMES = ["msp", "entropy", "max_logit", "energy", "gen", "sml"]


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> list[Segmenter]:
    """Two networks of one architecture."""
    folder = tmp_path_factory.mktemp("networks")
    paths = [
        networks.save(folder / f"{seed}.pth", networks.CGNET, networks.build(networks.CGNET, seed)) for seed in (0, 1)
    ]
    return [load_segmenter(path, device="cpu") for path in paths]


def scores_of(segmenter: Segmenter, names: Sequence[str] = NAMES) -> list[Score]:
    """Scores, with the statistics of some image."""
    scores = choose_scores(names, segmenter.provides)
    for score in unfitted(scores):
        label = np.zeros(IMAGE.shape[:2], np.uint8)
        score.finish(score.observe(segmenter(IMAGE), label, "one"), segmenter.classes)
    return scores


def maps_of(source: ScoreSource, image: NDArray[np.uint8] = IMAGE) -> Mapping[str, NDArray[np.floating]]:
    clock = Clock()
    return source.maps(source.outputs(SAMPLES, SAMPLE, image, clock), clock)


def kept(outputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The same after they were written and read."""
    of = RecordOf(run="", dataset="", id="", image_sha256="", label_sha256="")
    return decode_record(encode_record(of, outputs), of)


class Given:
    """A source that gives the same maps for every image."""

    def __init__(self, maps: Mapping[str, NDArray[np.floating]], origin: Origin | None = None) -> None:
        self.given, self.methods, self.shown = maps, list(maps), list[NDArray[np.uint8]]()
        self.origin = origin or ModelRecord(
            checkpoint="net.pth",
            checkpoint_sha256="a" * 64,
            config="",
            config_sha256="",
            classes=[],
            inference="whole",
            resize="native",
            device="cpu",
        )

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> Mapping[str, NDArray[Any]]:
        self.shown.append(image)
        return self.given

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> Mapping[str, NDArray[np.floating]]:
        assert list(outputs) == list(self.given)
        return outputs

    def describe(self) -> Origin:
        return self.origin


values = arrays.arrays(np.float32, (3, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32))


@given(st.lists(values, min_size=1, max_size=12), st.data())
def test_means_are_those_of_numpy_and_of_one_map_that_map(maps: list[NDArray[np.float32]], data: st.DataObject) -> None:
    mirrored = data.draw(st.lists(st.booleans(), min_size=len(maps), max_size=len(maps)))
    mean = MapMean(["score"])
    for one, is_mirrored in zip(maps, mirrored, strict=True):
        mean.add({"score": one}, mirrored=is_mirrored)
    found = mean.result()["score"]
    back = [np.fliplr(one) if is_mirrored else one for one, is_mirrored in zip(maps, mirrored, strict=True)]
    assert found.dtype == np.float32
    if len(maps) == 1:
        assert np.array_equal(found, back[0])
    expected = np.mean(np.stack(back).astype(np.longdouble), axis=0)
    scale = np.abs(np.stack(back)).max(axis=0)
    assert (np.abs(found - expected) <= np.abs(expected) * 2**-23 + scale * 1e-14 + 1e-40).all()


def test_maps_are_not_changed_by_what_averages_them() -> None:
    first, other = np.ones((2, 3)), np.full((2, 3), 3.0)
    mean = MapMean(["score"])
    mean.add({"score": first}, mirrored=False)
    mean.add({"score": other}, mirrored=False)
    assert (mean.result()["score"] == 2).all() and (first == 1).all() and (other == 3).all()


def test_methods_are_those_that_all_have_in_the_order_of_the_first() -> None:
    row = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = Given({"a": row, "b": 2 * row, "c": row})
    other = Given({"c": row + 2, "x": row, "a": 3 * row})
    source = MeanScores([first, other])
    assert source.methods == ["a", "c"]
    found = maps_of(source)
    assert list(found) == ["a", "c"]
    np.testing.assert_array_equal(found["a"], (row + 3 * row) / 2)
    np.testing.assert_array_equal(found["c"], (row + row + 2) / 2)
    # The same object, by which a network that several look at knows it.
    assert first.shown[0] is IMAGE and other.shown[0] is IMAGE
    assert [member.checkpoint for member in source.describe().members] == ["net.pth", "net.pth"]


def test_sources_that_share_no_method_and_files_are_refused() -> None:
    row = np.zeros((2, 3), np.float32)
    with pytest.raises(InputError, match=r"no score that all networks have.*\(a b; c\); choose --scores"):
        MeanScores([Given({"a": row, "b": row}), Given({"c": row})])
    with pytest.raises(InputError, match="score maps from files cannot be averaged"):
        MeanScores([Given({"a": row}, MapsRecord(folders=[]))])


def test_the_mean_of_one_is_that_network_to_the_bit(segmenters: list[Segmenter]) -> None:
    alone = NetworkScores(segmenters[0], scores_of(segmenters[0]))
    expected = maps_of(alone)
    found = maps_of(MeanScores([alone]))
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert np.array_equal(found[name], values)
    assert MeanScores([alone]).describe() == segmenters[0].describe()


def test_scores_of_networks_are_averaged_whether_outputs_were_kept_or_not(segmenters: list[Segmenter]) -> None:
    sources = [NetworkScores(segmenter, scores_of(segmenter)) for segmenter in segmenters]
    mean = MeanScores(sources)
    outputs = mean.outputs(SAMPLES, SAMPLE, IMAGE, Clock())
    found, again = mean.maps(outputs, Clock()), mean.maps(kept(outputs), Clock())
    each = list(map(maps_of, sources))
    for name in NAMES:
        assert np.array_equal(found[name], again[name])
        np.testing.assert_allclose(found[name], (each[0][name] + each[1][name]) / 2, rtol=1e-6)


VIEWS = Views.parse(["flip,0.5x"])


def predictions_of(segmenter: Segmenter) -> list[tuple[Prediction, bool]]:
    return [(view(IMAGE), view.mirrored) for view in VIEWS.of(segmenter)]


def test_scores_under_tta_are_of_mean_probabilities_or_means_of_scores(segmenters: list[Segmenter]) -> None:
    segmenter = segmenters[0]
    scores = scores_of(segmenter)
    source = AveragedScores(VIEWS.of(segmenter), scores)
    found = maps_of(source)
    assert list(found) == source.methods == NAMES
    of_probabilities = score_maps(
        MeanProbabilities(VIEWS.of(segmenter))(IMAGE),
        [score for score in scores if score.name in ("msp", "entropy", "gen")],
    )
    for name, values in of_probabilities.items():
        assert np.array_equal(found[name], values.numpy())
    for score in scores:
        if score.name not in of_probabilities:
            maps = [
                (score_maps(prediction, [score])[score.name].numpy(), back)
                for prediction, back in predictions_of(segmenter)
            ]
            expected = np.mean([np.fliplr(one) if back else one for one, back in maps], axis=0, dtype=np.float64)
            np.testing.assert_allclose(found[score.name], expected, rtol=1e-6, atol=1e-7)
    record = source.describe()
    assert record.tta == "flip, 0.5x" and record.checkpoint_sha256 == segmenter.describe().checkpoint_sha256
    assert record.averaging == (
        "msp, entropy, gen of the mean probabilities; max_logit, energy, sml as the mean of the scores"
    )


def test_outputs_under_tta_are_the_maps_and_can_be_kept(segmenters: list[Segmenter]) -> None:
    source = AveragedScores(VIEWS.of(segmenters[0]), scores_of(segmenters[0]))
    outputs = source.outputs(SAMPLES, SAMPLE, IMAGE, Clock())
    found, again = source.maps(outputs, Clock()), source.maps(kept(outputs), Clock())
    assert list(found) == list(again) == NAMES
    assert all(values.dtype == np.float32 and np.array_equal(values, again[name]) for name, values in found.items())


def test_networks_with_views_are_averaged_together(segmenters: list[Segmenter]) -> None:
    each = [
        AveragedScores(VIEWS.of(segmenters[0]), scores_of(segmenters[0])),
        AveragedScores(VIEWS.of(segmenters[1]), scores_of(segmenters[1], ["max_logit", "msp", "sml"])),
    ]
    source = MeanScores(each)
    found, maps = maps_of(source), list(map(maps_of, each))
    assert list(found) == ["msp", "max_logit", "sml"]
    for name, values in found.items():
        np.testing.assert_allclose(values, (maps[0][name] + maps[1][name]) / 2, rtol=1e-5, atol=1e-6)
    record = source.describe()
    assert [member.tta for member in record.members] == ["flip, 0.5x"] * 2 and record.tta == "flip, 0.5x"


def test_each_view_runs_once_an_image(segmenters: list[Segmenter], monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[float, bool]] = []
    call = View.__call__
    monkeypatch.setattr(
        View, "__call__", lambda view, image: runs.append((view.factor, view.mirrored)) or call(view, image)
    )
    source = AveragedScores(VIEWS.of(segmenters[0]), scores_of(segmenters[0]))
    maps_of(source)
    assert runs == [(1, False), (1, True), (0.5, False), (0.5, True)]


class Watched:
    """A segmenter that notes how many of its predictions are still held when it is called again."""

    def __init__(self, segmenter: Segmenter) -> None:
        for name in ("classes", "has_class_names", "input_size", "device", "provides", "fits", "describe"):
            setattr(self, name, getattr(segmenter, name))
        self.with_outputs = self.with_protocol = lambda _: self
        self._segmenter, self._given, self.held = segmenter, list[weakref.ref[torch.Tensor]](), list[int]()

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        self.held.append(sum(given() is not None for given in self._given))
        prediction = self._segmenter(image)
        self._given.append(weakref.ref(prediction.class_maps.values))
        return prediction


def test_what_a_view_said_is_freed_before_the_next_one_runs(segmenters: list[Segmenter]) -> None:
    watched = cast(Any, Watched(segmenters[0]))
    views = [View(watched, mirrored=mirrored) for mirrored in (False, True, False)]
    MeanProbabilities(views)(IMAGE)
    maps_of(AveragedScores(views, scores_of(segmenters[0])))
    assert watched.held == [0] * 6


def test_views_that_are_shared_give_the_same_bits(segmenters: list[Segmenter]) -> None:
    shared = [[view.shared() for view in VIEWS.of(segmenter)] for segmenter in segmenters]
    lanes = [AveragedScores(views, scores_of(segmenter)) for views, segmenter in zip(shared, segmenters, strict=True)]
    alone = [AveragedScores(VIEWS.of(segmenter), scores_of(segmenter)) for segmenter in segmenters]
    for lane, network in zip([*lanes, MeanScores(lanes)], [*alone, MeanScores(alone)], strict=True):
        expected = maps_of(network)
        assert all(np.array_equal(values, expected[name]) for name, values in maps_of(lane).items())


def test_features_and_densities_are_only_computed_where_a_score_reads_them(tmp_path: Path) -> None:
    segmenter = load_segmenter(networks.save_gmm(tmp_path / "net.pth"), device="cpu")
    asked: list[frozenset[str]] = []
    forward = segmenter.network.forward
    segmenter.network.forward = lambda inputs, wanted: asked.append(wanted) or forward(inputs, wanted)
    for names in (["msp"], ["msp", "gmmseg_logsumexp"]):
        scores = scores_of(segmenter, names)
        found = maps_of(AveragedScores([segmenter], scores))
        expected = maps_of(NetworkScores(segmenter, scores))
        np.testing.assert_allclose(found["msp"], expected["msp"], rtol=1e-5)
    assert np.array_equal(found["gmmseg_logsumexp"], expected["gmmseg_logsumexp"])
    assert "log_density_logsumexp" not in asked[0] and "log_density_logsumexp" in asked[2]


def test_a_score_that_reads_more_where_there_is_more_is_averaged_as_a_score(segmenters: list[Segmenter]) -> None:
    class OfFeatures(Score):
        name = "of_features"
        title = paper = "of features"
        source, instead = "features", ("probabilities",)

        def reduce(self, statistics: Any) -> torch.Tensor:
            return statistics.max

    source = AveragedScores(VIEWS.of(segmenters[0]), [OfFeatures()])
    assert source.describe().averaging == "of_features as the mean of the scores"
    maps = [
        (prediction.features.resized().amax(0).numpy(), back)
        for prediction, back in predictions_of(segmenters[0])
        if prediction.features is not None
    ]
    expected = np.mean([np.fliplr(one) if back else one for one, back in maps], axis=0, dtype=np.float64)
    np.testing.assert_allclose(maps_of(source)["of_features"], expected, rtol=1e-5, atol=1e-6)


def test_images_that_a_view_cannot_process_are_refused(segmenters: list[Segmenter]) -> None:
    huge = AveragedScores([View(segmenters[0], 1000)], scores_of(segmenters[0], ["max_logit"]))
    with pytest.raises(
        InputError, match=r"^one\.png: in the view 1000x of --tta, which may be left out, an image of 96x64 would enter"
    ):
        maps_of(huge)
