"""Smoothed scores, against scipy's Gaussian filter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom

from anomaly_eval.adapters.mmengine import AnomalyRankingMetric
from anomaly_eval.errors import InputError
from anomaly_eval.prediction import Prediction
from anomaly_eval.resizing import CoarseMaps
from anomaly_eval.scores import SCORES, choose_scores, score_maps
from anomaly_eval.scores.smoothed import smooth_score

SMOOTHED = [name for name in SCORES if name.endswith("_smoothed")]


@pytest.mark.parametrize(("height", "width"), [(60, 90), (240, 180), (720, 960)])
def test_a_gaussian_of_a_60th_of_the_short_side(height: int, width: int) -> None:
    coarse = np.random.default_rng(0).normal(size=(height // 8, width // 8))
    score = zoom(coarse, (height / (height // 8), width / (width // 8)), order=1)
    deviation = min(height, width) / 60
    expected = gaussian_filter(score, deviation, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(smooth_score(torch.from_numpy(score)).numpy(), expected, atol=0.02 * np.ptp(score))


def test_a_tiny_map_and_a_constant_one_stay() -> None:
    tiny = torch.tensor([[1.0, 4.0]])
    torch.testing.assert_close(smooth_score(tiny), tiny)
    constant = torch.full((300, 200), -7.5)
    torch.testing.assert_close(smooth_score(constant), constant)


@pytest.mark.parametrize("name", SMOOTHED)
def test_the_smoothed_score_is_the_score_smoothed(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = CoarseMaps.covering(torch.randn(4, 16, 24, generator=generator), (128, 192))
    prediction = Prediction(maps, log_density=maps)
    plain = name.removesuffix("_smoothed")
    found = score_maps(prediction, choose_scores([plain, name], frozenset({"logits", "log_density"})))
    torch.testing.assert_close(found[name], smooth_score(found[plain]))
    assert (found[name] - found[plain]).abs().max() > 1e-3


def test_the_metric_of_mmengine_refuses_them_as_it_scores_pixel_by_pixel() -> None:
    with pytest.raises(InputError, match="'msp_smoothed' is no score of logits alone"):
        AnomalyRankingMetric("msp_smoothed")
