"""Densities of 95 Gaussians as one matrix product beside the broadcast form, as ratios in one run.

    python benchmarks/density.py

Each form runs in turn in one process for the times, and in a process of its own for the peak memory.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gmmseg.density import component_log_density

DIMENSIONS, COMPONENTS = 64, 19 * 5
Form = Callable[[Tensor, Tensor, Tensor], Tensor]


def broadcast(features: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """The definition, written down: every pixel minus every mean."""
    squares = ((features[:, None] - means) / deviations).square().sum(dim=2)
    return -0.5 * squares - deviations.log().sum(dim=1) - 0.5 * features.shape[1] * math.log(2 * math.pi)


def run(form: Form, pixels: int, gradients: bool) -> Tensor:
    """Compute the densities of drawn pixels, and their gradients by the pixels if asked for."""
    features, means, deviations = draw(pixels)
    return compute(form, features.requires_grad_(gradients), means, deviations)


def compute(form: Form, features: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    densities = form(features, means, deviations)
    if features.requires_grad:
        features.grad = None
        densities.sum().backward()
    return densities.detach()


def draw(pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def directions(count: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(count, DIMENSIONS, generator=generator), dim=1)

    deviations = torch.rand(COMPONENTS, DIMENSIONS, generator=generator) * 0.1 + 0.1
    return directions(pixels), directions(COMPONENTS), deviations


def peak_mebibytes(form: Form, pixels: int, gradients: bool) -> float:
    """Return by how much the densities raise the peak memory of a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (form, pixels, gradients))


def _peak(form: Form, pixels: int, gradients: bool) -> float:
    run(form, 64, gradients)
    draw(pixels)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(form, pixels, gradients)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pixels", type=int, default=131_072)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    forms = (broadcast, component_log_density)
    # First, as a new process inherits the peak of this one.
    peaks = {
        gradients: [peak_mebibytes(form, options.pixels, gradients) for form in forms] for gradients in (False, True)
    }
    table = Table("", "broadcast", "matrix product", "ratio", "peak memory", "ratio", "largest difference")
    for gradients in (False, True):
        features, means, deviations = draw(options.pixels)
        features.requires_grad_(gradients)
        seconds: dict[Form, list[float]] = {form: [] for form in forms}
        results = {}
        for _ in range(options.repeats):
            for form, times in seconds.items():
                start = time.perf_counter()
                results[form] = compute(form, features, means, deviations)
                times.append(time.perf_counter() - start)
        slow, fast = (statistics.median(times) for times in seconds.values())
        large, small = peaks[gradients]
        difference = (results[broadcast] - results[component_log_density]).abs().max()
        table.add_row(
            "with gradients" if gradients else "densities",
            f"{slow:.2f} s",
            f"{fast:.3f} s",
            f"{slow / fast:.0f}",
            f"{large:,.0f} MiB, {small:,.0f} MiB",
            f"{large / small:.0f}",
            f"{difference:.0e}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
