"""What the GMM classifier costs: whole networks beside their softmax twins, as ratios in one run.

    python benchmarks/networks.py                       inference at 512 x 1024
    python benchmarks/networks.py --train               a training step of SegFormer-B0 with EM, crop 512, batch 2

Weights are random. The twins run in turn; the ratio is the median over the pairs.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import gmmseg.heads  # isort: skip  (registers them, and lets mmsegmentation import without compiled ops)
import torch
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.table import Table

from gmmseg.mixtures import ClassMixtures

NETWORKS = {
    "SegFormer-B0": "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024",
    "SegFormer-B5": "segformer/segformer_mit-b5_8xb1-160k_cityscapes-1024x1024",
    "DeepLabV3+ R101": "deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024",
}


def twins(name: str, preset: str, deviation: float) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Build a network of the zoo with random weights, once with softmax and once with a GMM classifier."""
    softmax = get_config(f"mmseg::{NETWORKS[name]}.py").model.to_dict()
    for key in ("pretrained", "auxiliary_head"):
        softmax.pop(key, None)
    softmax["backbone"].pop("init_cfg", None)
    generative = copy.deepcopy(softmax)
    head = generative["decode_head"]
    head |= {"type": "GMMSegHead", "architecture": head["type"], "mixture": {"preset": preset}}
    first, second = (revert_sync_batchnorm(MODELS.build(ConfigDict(model))) for model in (softmax, generative))
    for module in second.modules():
        if isinstance(module, ClassMixtures):
            # As after training: every class known, small deviations.
            module.updates.fill_(1)
            module.log_deviations.fill_(math.log(deviation))
    return first, second


def pairs(calls: tuple[Callable[[], Any], Callable[[], Any]], repeats: int) -> list[tuple[float, float]]:
    """Run both calls in turn and return the seconds of each pair, without a first pair that warms up."""
    seconds = []
    for _ in range(repeats + 1):
        times = []
        for call in calls:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        seconds.append((times[0], times[1]))
    return seconds[1:]


def inference(model: torch.nn.Module) -> Callable[[], Any]:
    model.eval()
    image = torch.randn(1, 3, 512, 1024, generator=torch.Generator().manual_seed(0))

    def call() -> None:
        with torch.inference_mode():
            model._forward(image)

    return call


def training(model: torch.nn.Module) -> Callable[[], Any]:
    """Return one step of AdamW on a drawn batch, with labels in blocks as streets have them."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-5)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 512, 512, generator=generator)
    blocks = torch.randint(0, 19, (2, 1, 8, 8), generator=generator)
    labels = blocks.repeat_interleave(64, dim=2).repeat_interleave(64, dim=3)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]

    def call() -> None:
        losses = model.loss(images, samples)
        optimiser.zero_grad()
        sum(value for name, value in losses.items() if "loss" in name).backward()
        optimiser.step()

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("networks", nargs="*", choices=[*NETWORKS, []], help="default: all, with --train SegFormer-B0")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--preset", default="paper", choices=["paper", "official"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument(
        "--deviation", type=float, default=0.1, help="of the mixtures; far below 0.1 they are computed in float64"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    MMLogger.get_instance("benchmark", log_level=logging.ERROR)
    init_default_scope("mmseg")
    prepare = training if options.train else inference
    table = Table("training step" if options.train else "inference", "softmax", "GMM", "ratio", "lowest", "highest")
    for name in options.networks or (["SegFormer-B0"] if options.train else list(NETWORKS)):
        first, second = twins(name, options.preset, options.deviation)
        seconds = pairs((prepare(first), prepare(second)), options.repeats)
        ratios = [gmm / softmax for softmax, gmm in seconds]
        medians = [statistics.median(times) for times in zip(*seconds, strict=True)]
        table.add_row(
            name,
            *(f"{median:.3f} s" for median in medians),
            f"{statistics.median(ratios):.3f}",
            f"{min(ratios):.3f}",
            f"{max(ratios):.3f}",
        )
        if options.train:
            em = next(module for module in second.modules() if isinstance(module, gmmseg.heads.GMMClassifier))
            share = em.report()["em_seconds"] / (options.repeats + 1) / medians[1]
            Console().print(f"share of the GMM step spent in EM: {share:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
