"""Probabilities and the queries of mask classifiers, as the maps of classes that scores read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import predicted_classes
from anomaly_eval.score_maps.coarse import as_arrays, from_arrays
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.base import Prediction, predict
from anomaly_eval.segmenters.class_maps import LogProbabilities, QueryEvidence
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network import Network, NetworkFacts, Queries
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from anomaly_eval.studies.calibration.measuring import check_has_probabilities

GRID, SIZE = (6, 8), (75, 93)
IMAGE = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)


def resized(values: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    return interpolate(values[None].double(), size=size, mode="bilinear", align_corners=False)[0]


def draw(channels: int, seed: int = 0) -> Tensor:
    return torch.randn(channels, *GRID, generator=torch.Generator().manual_seed(seed))


def queries() -> QueryEvidence:
    classes = (3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(1))).softmax(1)[:, :-1]
    return QueryEvidence(4 * draw(5), SIZE, (75.0, 93.0), classes=classes)


def evidence_of(maps: QueryEvidence) -> Tensor:
    """L_c(x) at every pixel, by the formula, in float64."""
    return torch.einsum("qc,qhw->chw", maps.classes.double(), resized(maps.values).sigmoid())


def test_scores_of_probabilities_are_those_of_the_resized_probabilities() -> None:
    probabilities = draw(4).softmax(0)
    prediction = Prediction(probabilities=LogProbabilities.covering(probabilities, SIZE))
    scores = choose_scores(None, frozenset({"probabilities"}))
    assert [score.name for score in scores] == ["msp", "entropy"]
    maps, expected = score_maps(prediction, scores), resized(probabilities)
    torch.testing.assert_close(maps["msp"].double(), -expected.amax(0), atol=1e-5, rtol=0)
    entropy = torch.distributions.Categorical(probs=expected.movedim(0, -1)).entropy()
    torch.testing.assert_close(maps["entropy"].double(), entropy, atol=1e-5, rtol=0)


def test_a_probability_of_zero_adds_nothing_to_the_entropy() -> None:
    certain = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    prediction = Prediction(probabilities=LogProbabilities.covering(certain, (1, 1)))
    maps = score_maps(prediction, choose_scores(["msp", "entropy"], frozenset({"probabilities"})))
    assert maps["msp"].item() == -1 and abs(maps["entropy"].item()) < 1e-30


def test_probabilities_without_a_class_are_those_given_that_it_is_not_there() -> None:
    probabilities = draw(4).softmax(0)
    maps = LogProbabilities.covering(probabilities, SIZE).chosen([0, 1, 3])
    assert maps.channels == 3
    kept = resized(probabilities)[[0, 1, 3]]
    msp = score_maps(Prediction(probabilities=maps), choose_scores(["msp"], frozenset({"probabilities"})))["msp"]
    torch.testing.assert_close(msp.double(), -(kept / kept.sum(0)).amax(0), atol=1e-5, rtol=0)


def test_the_evidence_of_queries_is_that_of_the_formula() -> None:
    maps = queries()
    assert maps.channels == 3
    torch.testing.assert_close(maps.resized().double(), evidence_of(maps), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.chosen([2, 0]).resized(), maps.resized()[[2, 0]])
    assert np.array_equal(predicted_classes(maps), evidence_of(maps).argmax(0).numpy())


@pytest.mark.parametrize("maps", [queries(), LogProbabilities.covering(draw(4).softmax(0), SIZE)])
def test_they_are_kept_as_arrays_to_the_bit(maps: LogProbabilities | QueryEvidence) -> None:
    arrays = as_arrays({"one": maps, "other": maps})
    again = from_arrays(arrays, torch.device("cpu"))
    assert type(again["one"]) is type(maps) and again["one"] is again["other"]
    assert torch.equal(again["one"].resized(), maps.resized())


class MaskClassifier(Network):
    """Queries that follow from the means of the input's quarters."""

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Queries]:
        assert wanted == {"evidence"}
        masks = torch.nn.functional.avg_pool2d(inputs, 8) / 64 - 2
        return {
            "evidence": Queries(
                masks, inputs.new_tensor([[0.9, 0.05], [0.2, 0.7], [0.1, 0.1]]).repeat(len(inputs), 1, 1)
            )
        }


def mask_classifier(windows: SlidingWindow | None = None) -> NetworkSegmenter:
    facts = NetworkFacts("net", "0" * 64, 2, provides=frozenset({"evidence"}), windows=windows)
    return NetworkSegmenter(MaskClassifier(facts, torch.device("cpu")))


def test_a_mask_classifier_predicts_and_is_refused_scores_of_logits() -> None:
    segmenter = mask_classifier()
    prediction = predict(segmenter, IMAGE, Path("image.png"))
    assert isinstance(prediction.evidence, QueryEvidence) and prediction.size == SIZE
    assert prediction.class_maps is prediction.evidence
    with pytest.raises(InputError, match="'msp' needs logits"):
        choose_scores(["msp"], segmenter.provides)
    with pytest.raises(InputError, match="net is a mask classifier"):
        check_has_probabilities(segmenter, "net")


def test_windows_average_the_evidence_itself() -> None:
    image = IMAGE[:64, :80]
    tops, lefts = (0, 32), (0, 40)
    total, count = torch.zeros(2, 64, 80), torch.zeros(64, 80)
    for top in tops:
        for left in lefts:
            part = mask_classifier()(image[top : top + 32, left : left + 40]).class_maps.resized()
            total[:, top : top + 32, left : left + 40] += part
            count[top : top + 32, left : left + 40] += 1
    windows = SlidingWindow(crop=(32, 40), stride=(32, 40))
    torch.testing.assert_close(mask_classifier(windows)(image).class_maps.resized(), total / count)


class Probabilities(Network):
    """Probabilities of three classes on a grid of 8 x 8 pixels, many of them nearly 0 or 1."""

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        return {"probabilities": (torch.nn.functional.avg_pool2d(inputs, 8) / 4).softmax(1)}


def of_probabilities(windows: SlidingWindow | None = None, input_size: InputSize | None = None) -> NetworkSegmenter:
    facts = NetworkFacts("net", "0" * 64, 3, provides=frozenset({"probabilities"}), windows=windows)
    return NetworkSegmenter(Probabilities(facts, torch.device("cpu")), input_size=input_size)


def test_windows_average_probabilities_and_not_their_logarithms() -> None:
    image = IMAGE[:64, :80]
    total, count = torch.zeros(3, 64, 80), torch.zeros(64, 80)
    for top in (0, 16, 32):
        for left in (0, 20, 40):
            maps = of_probabilities()(image[top : top + 32, left : left + 40]).class_maps
            total[:, top : top + 32, left : left + 40] += maps.resized().exp()
            count[top : top + 32, left : left + 40] += 1
    windows = SlidingWindow(crop=(32, 40), stride=(16, 20))
    prediction = of_probabilities(windows)(image)
    assert isinstance(prediction.probabilities, LogProbabilities)
    torch.testing.assert_close(prediction.class_maps.resized().exp(), total / count)


def test_under_a_protocol_probabilities_are_resized_twice_and_their_logarithms_never() -> None:
    image, protocol = IMAGE[:64, :80], TestProtocol(short_side=32)
    once = resized(torch.from_numpy(coarse_probabilities(image)), (32, 40))
    expected = resized(once, (64, 80))
    found = of_probabilities().with_protocol(protocol)(image).class_maps.resized().exp()
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def coarse_probabilities(image: np.ndarray) -> np.ndarray:
    inputs = torch.from_numpy(InputSize(short_side=32).apply(image)).permute(2, 0, 1)[None].float()
    return (torch.nn.functional.avg_pool2d(inputs, 8) / 4).softmax(1)[0].numpy()


def test_nan_in_the_classes_of_queries_is_refused() -> None:
    class Broken(MaskClassifier):
        def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Queries]:
            found = super().forward(inputs, wanted)["evidence"]
            return {"evidence": Queries(found.masks, found.classes * torch.nan)}

    facts = NetworkFacts("net", "0" * 64, 2, provides=frozenset({"evidence"}))
    with pytest.raises(InputError, match=r"NaN or infinite values for image\.png"):
        predict(NetworkSegmenter(Broken(facts, torch.device("cpu"))), IMAGE, Path("image.png"))
