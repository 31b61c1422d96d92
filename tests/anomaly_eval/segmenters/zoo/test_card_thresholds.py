"""The thresholds on the cards of shipped networks do on Cityscapes val what the cards say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.scores import SCORES, choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.running import Running
from anomaly_eval.segmenters.zoo import ShippedNetwork, shipped_networks
from tests.shared_data import shared_data

NETWORKS = [pytest.param(network, id=network.card.name) for network in shipped_networks()]


@pytest.mark.parametrize("network", NETWORKS)
def test_thresholds_are_of_scores_that_are_known_and_lie_above_the_median(network: ShippedNetwork) -> None:
    assert {one.score for one in network.card.thresholds} >= {"max_logit"}
    for one in network.card.thresholds:
        assert one.score in SCORES and one.threshold > one.median
        assert np.float32(one.threshold) == one.threshold


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_thresholds_let_through_what_the_card_says(network: ShippedNetwork) -> None:
    first = network.card.thresholds[0]
    samples = find_dataset(f"{first.dataset}:val", shared_data())
    segmenter = Running(resize=first.input, device="cpu").network(Path(network.card.name), None).load()
    scores = choose_scores([one.score for one in network.card.thresholds], segmenter.provides)
    above, below, pixels = dict.fromkeys(SCORES, 0), dict.fromkeys(SCORES, 0), 0
    for sample in samples.samples:
        known = sample.read_label() != VOID
        pixels += np.count_nonzero(known)
        with torch.inference_mode():
            maps = score_maps(segmenter(sample.read_image()), scores)
        for one in network.card.thresholds:
            values = maps[one.score].numpy()[known]
            above[one.score] += np.count_nonzero(values >= one.threshold)
            below[one.score] += np.count_nonzero(values < one.median)
    assert len(samples.samples) == first.images
    for one in network.card.thresholds:
        assert 100 * above[one.score] / pixels == pytest.approx(one.false_positives, abs=0.01)
        assert 100 * below[one.score] / pixels == pytest.approx(50, abs=0.05)
