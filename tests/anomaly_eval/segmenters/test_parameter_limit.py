"""A network may not grow far beyond the weights that are to fill it."""

from __future__ import annotations

import resource

import pytest
import torch
from torch import nn

from anomaly_eval.segmenters.parameter_limit import TooLargeError, no_larger_than

WEIGHTS = {"weight": torch.zeros(10, 10), "bias": torch.zeros(10)}


def test_a_network_of_the_weights_is_built() -> None:
    with no_larger_than(WEIGHTS):
        network = nn.Sequential(nn.Linear(10, 10), nn.BatchNorm1d(10, affine=False))
    assert sum(value.numel() for value in network.parameters()) == 110


def test_a_wide_network_is_stopped_before_it_takes_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLargeError), no_larger_than(WEIGHTS):
        nn.Linear(20_000, 30_000)
    # 2.4 GB of float32, in kilobytes.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_a_deep_network_is_stopped() -> None:
    with pytest.raises(TooLargeError), no_larger_than(WEIGHTS):
        while True:
            nn.BatchNorm2d(1)


@pytest.mark.parametrize(
    "weights",
    [
        {"weight": torch.zeros(1).expand(20_000, 20_000)},
        {"weight": torch.zeros(1, 1).expand(20_000, 20_000)[::2]},
        {f"weight {index}": WEIGHTS["weight"] for index in range(10_000_000 // 100)},
        {"weight": torch.zeros(30_000).as_strided((20_000, 10_000), (1, 1))},
        {"weight": torch.zeros(1, dtype=torch.float16).expand(400_000_000)},
    ],
    ids=["expanded", "sliced", "shared", "overlapping", "of 16 bits"],
)
def test_values_that_take_no_memory_are_not_counted(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(TooLargeError), no_larger_than(weights):
        nn.Linear(5000, 5000)


def test_values_of_all_types_are_counted_as_they_are_stored() -> None:
    weights = {"a": torch.zeros(3000, 1000, dtype=torch.float16), "b": torch.zeros(2000, 2000, dtype=torch.float64)}
    with no_larger_than(weights):
        nn.Linear(5000, 5000)


def test_nothing_is_counted_afterwards() -> None:
    with pytest.raises(TooLargeError), no_larger_than({}):
        nn.Linear(5000, 5000)
    nn.Linear(5000, 5000)
