"""Scores by name, and what the density scores make of a prediction."""

from __future__ import annotations

import pytest
import torch

from anomaly_eval.errors import InputError
from anomaly_eval.scores import SCORES, choose_scores, score_maps
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps

EVERYTHING = frozenset({"logits", "features", "log_density", "log_density_logsumexp", "classifier", "evidence"})


def names(given: list[str] | None, provides: frozenset[str]) -> list[str]:
    """Return the names of the chosen scores."""
    return [score.name for score in choose_scores(given, provides)]


def test_without_names_all_that_the_network_feeds() -> None:
    assert names(None, frozenset({"logits"})) == ["msp", "entropy", "max_logit", "energy", "sml"]
    by_name_only = {name for name in SCORES if name.endswith("_smoothed")} | {"gen", "odin_temperature", "knn", "vim"}
    assert names(None, EVERYTHING) == [name for name in SCORES if name not in by_name_only]


def test_named_scores_keep_their_order_and_come_once() -> None:
    assert names(["energy", "msp", "energy"], EVERYTHING) == ["energy", "msp"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("entropie", "did you mean 'entropy'"),
        ("msp,entropy", "write spaces, not commas"),
        ("x", "the scores are msp, "),
    ],
)
def test_an_unknown_name(name: str, words: str) -> None:
    with pytest.raises(InputError, match=f"there is no score '{name}'; .*{words}"):
        choose_scores([name], EVERYTHING)


@pytest.mark.parametrize(("name", "words"), [("gmmseg", "class log densities"), ("mahalanobis", "features")])
def test_a_score_that_the_network_does_not_feed(name: str, words: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' needs {words}, which this network does not provide; leave it out"):
        choose_scores([name], frozenset({"logits"}))


def test_a_prediction_without_the_maps_of_a_score() -> None:
    with pytest.raises(ValueError, match="the prediction holds no log_density, which gmmseg needs"):
        SCORES["gmmseg"]().class_maps(Prediction(CoarseMaps.covering(torch.zeros(2, 1, 1), (1, 1))))


def test_densities_are_negated_and_normalised_over_classes() -> None:
    density = torch.tensor([[[2.0, -5.0]], [[0.0, -5.5]], [[1.0, -7.0]]])
    joint = density + 0.25
    prediction = Prediction(
        logits=CoarseMaps.covering(torch.zeros(3, 1, 2), (1, 2)),
        log_density=CoarseMaps.covering(density, (1, 2)),
        log_density_logsumexp=CoarseMaps.covering(joint, (1, 2)),
    )
    found = score_maps(prediction, choose_scores(["gmmseg", "gmmseg_logsumexp", "gmmseg_normalised"], EVERYTHING))
    torch.testing.assert_close(found["gmmseg"], torch.tensor([[-2.0, 5.0]]))
    torch.testing.assert_close(found["gmmseg_logsumexp"], torch.tensor([[-2.25, 4.75]]))
    centred = density - density.mean(dim=0)
    expected = -(centred / centred.square().mean(dim=0).add(1e-5).sqrt()).amax(dim=0)
    torch.testing.assert_close(found["gmmseg_normalised"], expected)
