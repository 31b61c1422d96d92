"""Pointwise scores against torch's softmax and distributions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical

from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.scores.base import ClassStatistics
from anomaly_eval.scores.density import negative_max_log_density
from anomaly_eval.scores.energy import energy
from anomaly_eval.scores.entropy import entropy
from anomaly_eval.scores.gen import generalised_entropy
from anomaly_eval.scores.max_logit import max_logit
from anomaly_eval.scores.msp import msp
from anomaly_eval.scores.odin_temperature import tempered_confidence
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps


@st.composite
def logits(draw):
    seed, classes, scale = (
        draw(st.integers(0, 10**6)),
        draw(st.integers(2, 20)),
        draw(st.sampled_from([0.1, 5, 200])),
    )
    return torch.randn(classes, 4, 5, generator=torch.Generator().manual_seed(seed)) * scale


@given(logits())
@settings(max_examples=60, deadline=None)
def test_scores_equal_their_definitions(values):
    exact = values.double()
    softmax = torch.softmax(exact, dim=0)
    expected = {
        msp: -softmax.amax(dim=0),
        entropy: Categorical(logits=exact.movedim(0, -1)).entropy(),
        max_logit: -exact.amax(dim=0),
        energy: -torch.logsumexp(exact, dim=0),
        negative_max_log_density: -exact.amax(dim=0),
    }
    for score, value in expected.items():
        torch.testing.assert_close(score(values).double(), value, atol=2e-6, rtol=2e-6)


def exact_entropy(logits: list[float], gamma: float, top: int) -> float:
    """The generalised entropy of one pixel: 1 - p of each class is the sum of the others, in float64 logarithms."""
    total = np.logaddexp.reduce(logits)
    terms = []
    for index in np.argsort(logits)[::-1][:top]:
        others = np.logaddexp.reduce(np.delete(logits, index))
        terms.append(np.exp(gamma * (logits[index] - total + others - total)))
    return float(sum(terms))


@given(logits(), st.sampled_from([0.01, 0.1, 0.5, 1.0]), st.integers(1, 25))
@settings(max_examples=40, deadline=None)
def test_the_generalised_entropy_equals_its_definition_however_small_probabilities_are(values, gamma, top):
    found = generalised_entropy(values, gamma, top).flatten().tolist()
    expected = [exact_entropy(pixel, gamma, top) for pixel in values.flatten(1).T.tolist()]
    assert found == pytest.approx(expected, rel=2e-5, abs=1e-30)


def test_the_generalised_entropy_tells_sure_pixels_apart():
    """In float32, 1 - p is 0 for all of them."""
    gaps = torch.tensor([17.0, 20.0, 30.0, 60.0])
    found = generalised_entropy(torch.stack([gaps, torch.zeros(4)]))
    assert found.tolist() == sorted(found.tolist(), reverse=True)
    # Of both classes, p (1 - p) is exp(-gap).
    torch.testing.assert_close(found, 2 * torch.exp(-0.1 * gaps), rtol=1e-5, atol=0)


def test_equal_classes_have_the_largest_generalised_entropy():
    found = generalised_entropy(torch.zeros(4, 1), 0.5)
    assert found.item() == pytest.approx(4 * (0.25 * 0.75) ** 0.5)


@given(logits(), st.sampled_from([1.0, 10.0, 1000.0, 1e5]))
@settings(max_examples=60, deadline=None)
def test_the_tempered_confidence_equals_its_definition(values, temperature):
    exact = values.double()
    confidence = torch.softmax(exact / temperature, dim=0).amax(dim=0)
    expected = -torch.log(len(values) * confidence)
    torch.testing.assert_close(tempered_confidence(values, temperature).double(), expected, rtol=2e-6, atol=1e-12)


def test_a_high_temperature_leaves_no_ties():
    """Of 20,000 pixels float32 takes thousands for equal as probabilities, and hardly any as they are computed."""
    values = torch.randn(19, 20_000, generator=torch.Generator().manual_seed(0))
    assert len(torch.softmax(values / 1000, dim=0).amax(dim=0).unique()) < 12_000
    found = tempered_confidence(values)
    confidence = torch.softmax(values.double() / 1000, dim=0).amax(dim=0)
    assert len(found.unique()) > 19_950
    assert (confidence[found.argsort()].diff() <= 1e-9).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gen_gamma": 0.0}, "--gen-gamma is above 0 and at most 1, not 0"),
        ({"gen_gamma": float("nan")}, "--gen-gamma is above 0 and at most 1, not nan"),
        ({"gen_gamma": 1.5}, "--gen-gamma is above 0"),
        ({"odin_temperature_t": 0.0}, "--odin-temperature-t is above 0, not 0"),
        ({"odin_temperature_t": float("inf")}, "--odin-temperature-t is above 0, not inf"),
        ({"odin_temperature_t": float("nan")}, "--odin-temperature-t is above 0, not nan"),
    ],
)
def test_options_without_sense_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        choose_scores(["gen", "odin_temperature"], frozenset({"logits"}), options)


def test_options_enter_the_name_and_the_maps():
    maps = CoarseMaps.covering(torch.randn(7, 6, 8, generator=torch.Generator().manual_seed(3)), (48, 70))
    options = {"gen_gamma": 0.25, "gen_top": 3, "odin_temperature_t": 50.0}
    scores = choose_scores(["gen", "odin_temperature"], frozenset({"logits"}), options)
    found = score_maps(Prediction(maps), scores)
    assert list(found) == ["gen_gamma_0.25_top_3", "odin_temperature_t_50"]
    torch.testing.assert_close(found["gen_gamma_0.25_top_3"], generalised_entropy(maps.resized(), 0.25, 3))
    torch.testing.assert_close(found["odin_temperature_t_50"], tempered_confidence(maps.resized(), 50.0))


def test_a_class_ruled_out_entirely_adds_nothing():
    values = torch.tensor([0.0, 0.0, -torch.inf])
    assert entropy(values).item() == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-6)
    assert msp(values).item() == -0.5
    assert entropy(torch.tensor([50.0, -3000.0])).item() == 0.0


def test_log_density_beyond_the_range_of_exp_stays_finite():
    assert negative_max_log_density(torch.tensor([120.0, 95.0])).item() == -120.0


@given(logits())
@settings(max_examples=30, deadline=None)
def test_argmax_is_torchs_and_the_first_of_a_tie(values):
    rounded = values.round()
    first = (rounded == rounded.amax(dim=0)).to(torch.uint8).argmax(dim=0)
    statistics = ClassStatistics(rounded)
    assert torch.equal(statistics.argmax, first)
    assert torch.equal(statistics.max, rounded.amax(dim=0))


def test_resize_first_then_reduce():
    """The maximum over classes does not commute with resizing; the classes are resized first."""
    values = torch.tensor([[[0.0, 4.0]], [[4.0, 0.0]]])
    maps = CoarseMaps.covering(values, (1, 3), align_corners=True)
    score = score_maps(Prediction(maps), choose_scores(["max_logit"], frozenset({"logits"})))["max_logit"]
    assert score.tolist() == [[-4.0, -2.0, -4.0]]


def test_scores_do_not_depend_on_which_others_are_asked_for():
    maps = CoarseMaps.covering(torch.randn(7, 6, 8, generator=torch.Generator().manual_seed(3)), (48, 70))
    names = ["msp", "entropy", "max_logit", "energy"]
    together = score_maps(Prediction(maps), choose_scores(names, frozenset({"logits"})))
    for name in names:
        alone = score_maps(Prediction(maps), choose_scores([name], frozenset({"logits"})))[name]
        assert torch.equal(alone, together[name])
        assert alone.dtype == torch.float32
