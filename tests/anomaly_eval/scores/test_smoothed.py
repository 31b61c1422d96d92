"""Smoothed scores, against scipy's Gaussian filter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, zoom

from anomaly_eval.adapters.mmengine import AnomalyRankingMetric
from anomaly_eval.errors import InputError
from anomaly_eval.scores import SCORES, choose_scores, score_maps
from anomaly_eval.scores.smoothed import gaussian, smooth_score
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps

SMOOTHED = [name for name in SCORES if name.endswith("_smoothed")]


@pytest.mark.parametrize(
    ("height", "width", "stride"), [(60, 90, 1), (240, 180, 4), (720, 960, 8), (1024, 2048, 4), (720, 1280, 1)]
)
def test_a_gaussian_of_a_60th_of_the_short_side(height: int, width: int, stride: int) -> None:
    coarse = np.random.default_rng(0).normal(size=(height // stride, width // stride))
    score = zoom(coarse, (height / coarse.shape[0], width / coarse.shape[1]), order=1)
    expected = gaussian_filter(score, min(height, width) / 60, mode="nearest", truncate=5.0)
    error = smooth_score(torch.from_numpy(score)).numpy() - expected
    assert np.sqrt(np.mean(error**2)) < 0.005 * expected.std()


@given(st.floats(0.3, 30))
def test_one_pixel_becomes_a_gaussian_of_that_deviation(deviation: float) -> None:
    score = torch.zeros(241, 241, dtype=torch.float64)
    score[120, 120] = 1.0
    expected = gaussian_filter(score.numpy(), deviation, mode="nearest", truncate=5.0)
    found = gaussian(score, deviation).numpy()
    assert np.abs(found - expected).max() < 0.002 * expected.max()


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
    with pytest.raises(InputError, match="'msp_smoothed' is not computed pixel by pixel"):
        AnomalyRankingMetric("msp_smoothed")
