"""Pointwise scores against torch's softmax and distributions in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical

from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.scores.base import ClassStatistics
from anomaly_eval.scores.density import negative_max_log_density
from anomaly_eval.scores.energy import energy
from anomaly_eval.scores.entropy import entropy
from anomaly_eval.scores.max_logit import max_logit
from anomaly_eval.scores.msp import msp
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
