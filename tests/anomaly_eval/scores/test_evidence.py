"""Scores of class evidence against their formulas in float64, and at their ends."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical

from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.evidence import evidence_entropy, negative_max_evidence, rejected_by_all


@st.composite
def evidence(draw: st.DrawFn) -> torch.Tensor:
    """Evidence of up to a hundred queries, from undecided ones to certain ones."""
    seed, classes, queries = draw(st.integers(0, 10**6)), draw(st.integers(2, 20)), draw(st.integers(1, 100))
    generator = torch.Generator().manual_seed(seed)
    scale = draw(st.sampled_from([0.1, 1, 4]))
    of_queries = (scale * torch.randn(queries, classes + 1, generator=generator)).softmax(1)[:, :-1]
    masks = (scale * torch.randn(queries, 4, 5, generator=generator)).sigmoid()
    return torch.einsum("qc,qhw->chw", of_queries, masks)


@given(evidence())
@settings(max_examples=60, deadline=None)
def test_scores_equal_their_definitions(values: torch.Tensor) -> None:
    exact = values.double()
    torch.testing.assert_close(rejected_by_all(values).double(), -exact.tanh().sum(0), atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(negative_max_evidence(values).double(), -exact.amax(0), atol=0, rtol=0)
    shares = (exact / exact.sum(0)).clamp(min=1e-300).movedim(0, -1)
    torch.testing.assert_close(
        evidence_entropy(values).double(), Categorical(probs=shares).entropy(), atol=1e-5, rtol=1e-5
    )


def test_a_pixel_that_no_query_claims_is_the_most_anomalous() -> None:
    none, one, many = torch.zeros(4), torch.tensor([1.0, 0, 0, 0]), torch.tensor([9.0, 0, 0, 0])
    assert evidence_entropy(none).item() == pytest.approx(math.log(4))
    assert evidence_entropy(one).item() == evidence_entropy(many).item() == 0
    assert rejected_by_all(none) == 0 > rejected_by_all(one) > rejected_by_all(many) >= -1
    assert negative_max_evidence(none) == 0 > negative_max_evidence(one) > negative_max_evidence(many)


def test_the_entropy_does_not_depend_on_how_many_queries_agree() -> None:
    values = torch.rand(6, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(evidence_entropy(values), evidence_entropy(50 * values))


def test_they_need_a_mask_classifier_and_it_takes_no_others() -> None:
    with pytest.raises(InputError, match="'rba' needs the class evidence of a mask classifier"):
        choose_scores(["rba"], frozenset({"logits", "features"}))
    for name in ("msp", "entropy", "max_logit", "energy", "sml", "msp_smoothed"):
        with pytest.raises(InputError, match="this network does not provide"):
            choose_scores([name], frozenset({"evidence"}))
