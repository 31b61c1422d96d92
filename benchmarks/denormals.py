"""What flushing denormal numbers saves where weights are denormal, as ratios in one run.

    python benchmarks/denormals.py

A tenth of the weights of CGNet, as long weight decay leaves them, and all weights of a 3 x 3 convolution are made
denormal. Both ways run in turn in one process. The ratio depends on the processor: Intel's with AVX-512 gain most.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import gmmseg.heads  # noqa: F401  isort: skip  (lets mmsegmentation import without compiled ops)
import torch
from mmengine.hub import get_config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from gmmseg.denormals import flushed_denormals

CGNET = "mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py"
Call = Callable[[], Tensor]


def make_denormal(module: nn.Module, every: int) -> None:
    """Make each so many-th weight of the convolutions denormal."""
    for convolution in module.modules():
        if isinstance(convolution, nn.Conv2d):
            weights = convolution.weight.data.flatten()
            weights[::every] *= 1e-39 / weights[::every].abs()


def network(every: int) -> Call:
    """Return a forward of CGNet with random weights at 1280 x 720."""
    model = revert_sync_batchnorm(MODELS.build(get_config(CGNET).model)).eval()
    make_denormal(model, every)
    image = torch.randn(1, 3, 720, 1280, generator=torch.Generator().manual_seed(0))
    return lambda: model._forward(image)


def convolution(every: int) -> Call:
    """Return a convolution of 64 channels at 640 x 360."""
    layer = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    make_denormal(layer, every)
    maps = torch.randn(1, 64, 360, 640, generator=torch.Generator().manual_seed(0))
    return lambda: layer(maps)


def compare(call: Call, repeats: int) -> tuple[list[float], list[float], float]:
    """Return the seconds as it is and flushed, and the largest difference of the results."""
    seconds: tuple[list[float], list[float]] = ([], [])
    results = []
    for _ in range(repeats + 1):
        results.clear()
        for times, context in zip(seconds, (nullcontext, flushed_denormals), strict=True):
            start = time.perf_counter()
            with context():
                results.append(call())
            times.append(time.perf_counter() - start)
    # The first of each warms up.
    return seconds[0][1:], seconds[1][1:], float((results[0] - results[1]).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    MMLogger.get_instance("benchmark", log_level=logging.ERROR)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    calls = {"CGNet, a tenth": network(10), "convolution, all": convolution(1)}
    table = Table("denormal weights", "as they are", "flushed", "ratio", "lowest", "highest", "largest difference")
    with torch.inference_mode():
        for name, call in calls.items():
            plain, flushed, difference = compare(call, options.repeats)
            ratios = [slow / fast for slow, fast in zip(plain, flushed, strict=True)]
            medians = [f"{statistics.median(times):.3f} s" for times in (plain, flushed)]
            of_ratios = [f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))]
            table.add_row(name, *medians, *of_ratios, f"{difference:.0e}")
    Console().print(table)


if __name__ == "__main__":
    main()
