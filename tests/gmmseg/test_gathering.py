"""Pixels of two gloo processes, and of one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gmmseg.gathering import gather_counts, gather_pixels
from tests.gmmseg.learners import run_two_processes

PROCESS = """
import sys, torch
from gmmseg.gathering import gather_counts, gather_pixels
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
found = []
for counts in [(3, 5), (0, 4), (2, 0), (0, 0)]:
    count = counts[rank]
    features = torch.arange(count * 3.0).reshape(count, 3) + 100 * rank
    found.append(gather_pixels(features, torch.arange(count) + 10 * rank, torch.full((count,), rank)))
counts = gather_counts(torch.tensor([[3, 4], [5, 6]]) + 10 * rank)
torch.save((found, counts), f"{folder}/{rank}.pth")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_two_processes_see_the_same_pixels_in_the_order_of_their_ranks(tmp_path: Path) -> None:
    (first, counts), (second, same_counts) = run_two_processes(PROCESS, tmp_path)
    assert counts.tolist() == same_counts.tolist() == [[[3, 4], [5, 6]], [[13, 14], [15, 16]]]
    labels = [[0, 1, 2, 10, 11, 12, 13, 14], [10, 11, 12, 13], [0, 1], []]
    for one, other, expected in zip(first, second, labels, strict=True):
        assert all(torch.equal(value, same) for value, same in zip(one, other, strict=True))
        features, found, marks = one
        assert found.tolist() == expected and marks.tolist() == [label // 10 for label in expected]
        assert features[:, 0].tolist() == [100.0 * (label // 10) + 3 * (label % 10) for label in expected]
        assert features.shape == (len(expected), 3)


def test_one_process_keeps_its_own() -> None:
    own = torch.rand(4, 3), torch.arange(4), torch.ones(4, dtype=torch.int64)
    assert all(found is given for found, given in zip(gather_pixels(*own), own, strict=True))
    assert gather_counts(torch.tensor([3, 4])).tolist() == [[3, 4]]
