"""The peak of a call is that of the tensors which it holds at once."""

from __future__ import annotations

import os

import torch

from anomaly_eval.studies.speed.memory import peak_bytes

CPU = torch.device("cpu")
BEFORE = torch.ones(1000)


def call() -> None:
    """Hold 4000 and 8000 bytes, then 8000 and 16,000, then 4000 and 8000."""
    first, second = torch.empty(1000), torch.empty(2000)
    del first
    third = torch.empty(4000)
    del second, third
    assert len(torch.empty(1000)) + len(torch.empty(2000)) == 3000


def test_the_largest_sum_counts(capfd) -> None:
    assert peak_bytes(call, CPU) == 24_000
    assert peak_bytes(lambda: BEFORE + BEFORE, CPU) == 4000
    assert peak_bytes(lambda: None, CPU) == 0
    # PyTorch's profiler would print when it starts and when it stops.
    assert capfd.readouterr() == ("", "")
    assert "KINETO_LOG_LEVEL" not in os.environ
