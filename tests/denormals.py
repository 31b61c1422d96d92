"""Counting the denormal numbers that survive a computation, in all threads that torch shares it among."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

BITS = 0x000AAAAA
"""Those of a denormal number; they are compared, because where flushing is on the number itself equals 0."""


def survivors() -> float:
    """Return which share of denormal numbers survives a product and a convolution that two threads share."""
    numbers = torch.full((1, 1, 256, 512), BITS, dtype=torch.int32).view(torch.float32)
    with torch.inference_mode():
        found = torch.cat([numbers * 1, nn.functional.conv2d(numbers, torch.ones(1, 1, 1, 1))])
    return int(found.view(torch.int32).count_nonzero()) / found.numel()


@contextmanager
def two_threads() -> Iterator[None]:
    """Let torch compute in two threads that exist already, and check that they flush nothing before and after."""
    if sys.platform != "linux":
        pytest.skip("threads that exist already are reached on Linux alone")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert survivors() == 1
        yield
        assert survivors() == 1
    finally:
        torch.set_num_threads(before)


@contextmanager
def probed() -> Iterator[dict[str, list[float]]]:
    """Collect what survives in the forward and in the backward of convolutions of images."""
    found: dict[str, list[float]] = {"forward": [], "backward": []}

    def look(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            found["forward"].append(survivors())
            if output.requires_grad:
                output.register_hook(lambda _: found["backward"].append(survivors()))

    handle = register_module_forward_hook(look)
    try:
        yield found
    finally:
        handle.remove()
