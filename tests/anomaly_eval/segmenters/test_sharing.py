"""A network that several look at runs once an image, and says to each what it says alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps, sources
from anomaly_eval.segmenters.base import Prediction, Segmenter
from anomaly_eval.segmenters.class_maps import QueryEvidence
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.network import Network, NetworkFacts
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from anomaly_eval.segmenters.sharing import SharedSegmenter
from anomaly_eval.segmenters.views import View
from tests.anomaly_eval import networks

IMAGES = list(np.random.default_rng(0).integers(0, 255, (2, 45, 70, 3), dtype=np.uint8))
WINDOWS = TestProtocol(slide=SlidingWindow(crop=(32, 40), stride=(16, 20)), short_side=40)


class Counted(Network):
    """A network that notes for which fields it ran."""

    def __init__(self) -> None:
        provides = frozenset({"logits", "features", "log_density"})
        super().__init__(NetworkFacts("net", "0" * 64, 3, provides=provides), torch.device("cpu"))
        self.runs: list[set[str]] = []

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        self.runs.append(set(wanted))
        return {name: inputs / 50 for name in wanted}


@pytest.fixture(params=["softmax", "gmm", "probabilities of a protocol"])
def segmenter(request: pytest.FixtureRequest, tmp_path: Path) -> Segmenter:
    path = tmp_path / "net.pth"
    if request.param == "gmm":
        return load_segmenter(networks.save_gmm(path), device="cpu")
    softmax = load_segmenter(networks.save(path, networks.CGNET), device="cpu")
    return softmax if request.param == "softmax" else softmax.with_protocol(WINDOWS)


def assert_same(found: Prediction, expected: Prediction) -> None:
    for field in fields(Prediction):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        assert type(one) is type(other), field.name
        if isinstance(one, CoarseMaps):
            assert torch.equal(one.values, other.values) and one.size == other.size and one.extent == other.extent
            assert not isinstance(one, QueryEvidence)


def test_all_that_share_a_network_are_told_what_it_says_alone(segmenter: Segmenter) -> None:
    shared = SharedSegmenter(segmenter)
    asked: list[Any] = [(), {"features"}, {"classifier"}, {"log_density_logsumexp", "log_density"}, segmenter.provides]
    users = [shared.with_outputs(fields) for fields in asked]
    for image in IMAGES:
        for user, fields_asked in zip(users, asked, strict=True):
            alone = segmenter.with_outputs(fields_asked)
            assert user.provides == alone.provides
            assert_same(user(image), alone(image))
        assert_same(shared(image), segmenter(image))
        tested = segmenter.with_protocol(WINDOWS)
        assert_same(shared.with_protocol(WINDOWS)(image), tested(image))
        assert_same(users[1].with_protocol(None)(image), segmenter.with_protocol(None)(image))
    assert shared.describe() == segmenter.describe()
    assert shared.with_protocol(WINDOWS).describe() == segmenter.with_protocol(WINDOWS).describe()


def test_scores_are_the_same_to_the_bit(segmenter: Segmenter) -> None:
    names = [score.name for score in choose_scores(None, segmenter.provides)]
    scores = choose_scores([name for name in names if name not in ("sml", "mahalanobis")], segmenter.provides)
    shared = SharedSegmenter(segmenter)
    users = [shared.with_outputs(sources([score], segmenter.provides)) for score in scores]
    for image in IMAGES:
        expected = score_maps(segmenter(image), scores)
        for user, score in zip(users, scores, strict=True):
            assert torch.equal(score_maps(user(image), [score])[score.name], expected[score.name])


def test_the_network_runs_once_an_image_for_all_fields() -> None:
    network = Counted()
    shared = SharedSegmenter(NetworkSegmenter(network))
    users = [shared.with_outputs(()), shared.with_outputs({"features"}), shared.with_outputs({"log_density"})]
    for image in IMAGES:
        for user in users:
            user(image)
    assert network.runs == [{"logits", "features", "log_density"}] * 2


def test_what_nobody_asks_for_is_not_computed() -> None:
    network = Counted()
    user = SharedSegmenter(NetworkSegmenter(network)).with_outputs({"features"})
    assert user(IMAGES[0]).log_density is None
    assert user.with_outputs(()).provides == {"logits"}
    assert network.runs == [{"logits", "features"}]


def test_who_comes_late_makes_it_run_again_and_then_once() -> None:
    network = Counted()
    shared = SharedSegmenter(NetworkSegmenter(network))
    early = shared.with_outputs(())
    early(IMAGES[0])
    late = shared.with_outputs({"features"})
    late(IMAGES[0])
    early(IMAGES[0])
    assert network.runs == [{"logits"}, {"logits", "features"}]


def test_protocols_are_other_runs_and_each_is_shared() -> None:
    network = Counted()
    shared = SharedSegmenter(NetworkSegmenter(network))
    for _ in range(2):
        shared.with_outputs(())(IMAGES[0])
        shared.with_protocol(None)(IMAGES[0])
        shared.with_protocol(TestProtocol(short_side=20))(IMAGES[0])
    assert len(network.runs) == 3


def test_images_are_told_apart_as_objects_that_are_held_until_the_next_one() -> None:
    network = Counted()
    shared = SharedSegmenter(NetworkSegmenter(network))
    for value in range(5):
        # A new array may lie where the one before did, at the same address.
        image = np.full((8, 8, 3), value, np.uint8)
        assert shared(image).class_maps.values.unique().item() == np.float32(value / 50)
        held = weakref.ref(image)
        del image
        gc.collect()
        assert held() is not None
    assert len(network.runs) == 5
    shared(IMAGES[0])
    gc.collect()
    assert held() is None


def test_views_are_shared_each_by_itself() -> None:
    network = Counted()
    segmenter = NetworkSegmenter(network)
    views = [View(segmenter, factor, mirrored).shared() for factor in (1, 0.5) for mirrored in (False, True)]
    users = [[view.with_outputs(fields) for view in views] for fields in ((), {"features"})]
    for image in IMAGES:
        for user in users:
            for view in user:
                alone = View(NetworkSegmenter(Counted()), view.factor, view.mirrored).with_outputs(view.provides)
                assert_same(view(image), alone(image))
    assert network.runs == [{"logits", "features"}] * 8
    for view in [*views, *views]:
        alone = View(NetworkSegmenter(Counted()), view.factor, view.mirrored).with_protocol(TestProtocol(short_side=20))
        assert_same(view.with_protocol(TestProtocol(short_side=20))(IMAGES[0]), alone(IMAGES[0]))
    assert network.runs[8:] == [{"logits"}] * 4
