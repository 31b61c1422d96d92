"""The reservoir keeps an even sample of every class."""

from __future__ import annotations

import pytest
import torch

from gmmseg.reservoir import ClassReservoir


def test_few_pixels_are_all_kept_in_order():
    reservoir = ClassReservoir(3, limit=10)
    reservoir.add(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([2, 0, 2]))
    reservoir.add(torch.tensor([[4.0]]), torch.tensor([2]))
    features, labels = reservoir.result()
    assert features.flatten().tolist() == [2.0, 1.0, 3.0, 4.0]
    assert labels.tolist() == [0, 2, 2, 2]


def test_each_pixel_has_the_same_chance_whenever_it_came():
    kept = torch.zeros(40)
    for seed in range(300):
        reservoir = ClassReservoir(1, limit=5, seed=seed)
        for start in range(0, 40, 4):
            reservoir.add(torch.arange(start, start + 4.0)[:, None], torch.zeros(4, dtype=torch.int64))
        features, _ = reservoir.result()
        assert len(features) == 5
        kept[features.flatten().long()] += 1
    # Mean 37.5, standard deviation 5.7; early and late pixels alike.
    assert kept.min() > 15 and kept.max() < 60
    assert abs(float(kept[:20].sum() - kept[20:].sum())) < 150


def test_nothing_to_sample_is_told():
    with pytest.raises(ValueError, match="no labelled pixel"):
        ClassReservoir(2, 5).result()
