"""Statistics that are missing, damaged, or of another network never become numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.scores import FittedScore, score_maps
from anomaly_eval.scores.knn import KNN
from anomaly_eval.scores.mahalanobis import Mahalanobis
from anomaly_eval.scores.sml import SML
from anomaly_eval.scores.vim import ViM
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.linear_classifier import LinearClassifier

KINDS: list[type[FittedScore]] = [SML, Mahalanobis, KNN, ViM]
GOOD: dict[str, dict[str, Tensor]] = {
    "sml": {"mean": torch.zeros(3), "deviation": torch.ones(3)},
    "mahalanobis": {"means": torch.zeros(3, 2), "whitening": torch.eye(2)},
    "knn": {"pixels": torch.ones(12, 2), "limit": torch.tensor(10_000)},
    "vim": {
        "origin": torch.zeros(2),
        "directions": torch.eye(2),
        "residuals": torch.tensor([2, 1]),
        "largest_logit": torch.tensor(3),
    },
}


def prediction(classes: int, features: int) -> Prediction:
    """Return maps of one pixel."""
    return Prediction(
        logits=CoarseMaps.covering(torch.zeros(classes, 1, 1), (1, 1)),
        features=CoarseMaps.covering(torch.zeros(features, 1, 1), (1, 1)),
        classifier=LinearClassifier(torch.zeros(classes, features), torch.zeros(classes)),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_comes_from_a_score_without_statistics(kind: type[FittedScore]) -> None:
    score = kind()
    assert not score.fitted
    with pytest.raises(ValueError, match="has no statistics"):
        score_maps(prediction(3, 2), [score])
    with pytest.raises(ValueError, match="has no statistics to save"):
        score.state()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (SML, {"mean": torch.zeros(2)}),
        (SML, {"mean": torch.zeros(3, 1), "deviation": torch.ones(3, 1)}),
        (SML, {"mean": torch.tensor([0.0, torch.nan, 0.0])}),
        (SML, {"deviation": torch.tensor([1.0, 0.0, 1.0])}),
        (SML, {"deviation": torch.tensor([1.0, torch.inf, 1.0])}),
        (Mahalanobis, {"means": torch.zeros(3)}),
        (Mahalanobis, {"means": torch.zeros(3, 4)}),
        (Mahalanobis, {"means": torch.zeros(0, 2)}),
        (Mahalanobis, {"whitening": torch.full((2, 2), torch.nan)}),
        (KNN, {"pixels": torch.ones(12)}),
        (KNN, {"pixels": torch.ones(0, 2)}),
        (KNN, {"pixels": torch.full((12, 2), torch.inf)}),
        (KNN, {"limit": torch.ones(2)}),
        (ViM, {"origin": torch.zeros(3)}),
        (ViM, {"origin": torch.tensor(0.0), "residuals": torch.tensor(1.0), "directions": torch.tensor(1.0)}),
        (ViM, {"origin": torch.ones(0), "residuals": torch.ones(0), "directions": torch.ones(0, 0)}),
        (ViM, {"directions": torch.eye(3)}),
        (ViM, {"directions": torch.full((2, 2), torch.nan)}),
        (ViM, {"largest_logit": torch.ones(1)}),
        (ViM, {"largest_logit": torch.tensor(0.0)}),
    ],
)
def test_damaged_statistics_are_refused(kind: type[FittedScore], changes: dict[str, Tensor]) -> None:
    score = kind()
    with pytest.raises(ValueError, match=r"fit each other|must be finite"):
        score.load_state(GOOD[score.name] | changes)
    assert not score.fitted


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_another_network_are_refused(kind: type[FittedScore]) -> None:
    score = kind()
    score.load_state(GOOD[score.name])
    score_maps(prediction(3, 2), [score])
    with pytest.raises(InputError, match=rf"the statistics of {score.name} are of \d .*, the network has 5; fit again"):
        score_maps(prediction(5, 5), [score])


def loaded(kind: type[FittedScore], type: torch.dtype) -> dict[str, Tensor]:
    """Return what a score keeps of statistics of this type."""
    score = kind()
    score.load_state({name: value.to(type) for name, value in GOOD[score.name].items()})
    return score.state()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type", [torch.float32, torch.float16, torch.int64])
def test_statistics_of_another_number_type_are_taken(kind: type[FittedScore], type: torch.dtype) -> None:
    score = kind()
    kept = {name: value.dtype for name, value in loaded(kind, torch.float64).items()}
    score.load_state({name: value.to(type) for name, value in GOOD[score.name].items()})
    assert {name: value.dtype for name, value in score.state().items()} == kept
    assert score_maps(prediction(3, 2), [score])[score.name].shape == (1, 1)
