"""How fast scores and ranking metrics are beside what a user would otherwise write, as ratios in one run.

    python benchmarks/pixels.py

Scores: six maps from 19 coarse class maps at 1280 x 720, against the obvious PyTorch code on full-size maps.
Ranking: AUROC, AP and FPR95 of pooled pixels, against scikit-learn's three functions. Times are medians; both sides
run in turn in the same process.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from anomaly_eval.runtime.machine import keep_freed_memory, prefer_fast_sort

prefer_fast_sort()
keep_freed_memory()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve  # noqa: E402

from anomaly_eval.metrics.ranking import RankingState  # noqa: E402
from anomaly_eval.scores import score_maps  # noqa: E402
from anomaly_eval.scores.energy import Energy  # noqa: E402
from anomaly_eval.scores.entropy import Entropy  # noqa: E402
from anomaly_eval.scores.max_logit import MaxLogit  # noqa: E402
from anomaly_eval.scores.msp import MSP  # noqa: E402
from anomaly_eval.segmenters.base import Prediction  # noqa: E402
from anomaly_eval.segmenters.coarse_maps import CoarseMaps  # noqa: E402


def obvious_scores(logits: torch.Tensor, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Resize all classes, then apply each definition by itself."""
    full = torch.nn.functional.interpolate(logits[None], size=size, mode="bilinear")[0]
    softmax = torch.softmax(full, dim=0)
    return {
        "msp": -softmax.max(dim=0).values,
        "entropy": -(softmax * torch.log_softmax(full, dim=0)).sum(dim=0),
        "max_logit": -full.max(dim=0).values,
        "energy": -torch.logsumexp(full, dim=0),
    }


def obvious_metrics(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """scikit-learn's three functions."""
    false_positives, true_positives, _ = roc_curve(labels, scores)
    fpr95 = false_positives[np.flatnonzero(true_positives >= 0.95)[0]]
    return roc_auc_score(labels, scores), average_precision_score(labels, scores), fpr95


def ours(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    state = RankingState()
    state.update(scores, labels)
    metrics = state.compute()
    return tuple(metrics.rates.values())


def medians(repeats: int, *calls: Callable[[], Any]) -> list[float]:
    """Run the calls in turn and return the median seconds of each."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats + 1):
        for call, seconds in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds[1:]) for seconds in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pixels", type=int, default=5_000_000)
    options = parser.parse_args()
    table = Table("what", "obvious", "ours", "ratio", "largest difference")

    logits = torch.randn(19, 90, 160, generator=torch.Generator().manual_seed(0)) * 4
    prediction = Prediction(CoarseMaps.covering(logits, (720, 1280)))
    kinds = [MSP(), Entropy(), MaxLogit(), Energy()]
    with torch.inference_mode():
        expected, got = obvious_scores(logits, (720, 1280)), score_maps(prediction, kinds)
        error = max(float((got[name] - value).abs().max()) for name, value in expected.items())
        slow, fast = medians(
            options.repeats, lambda: obvious_scores(logits, (720, 1280)), lambda: score_maps(prediction, kinds)
        )
    table.add_row("four scores of one image", f"{slow:.3f} s", f"{fast:.3f} s", f"{slow / fast:.1f}", f"{error:.1e}")

    rng = np.random.default_rng(0)
    for share in (0.003, 0.1):
        labels = (rng.random(options.pixels) < share).astype(np.uint8)
        scores = rng.standard_normal(options.pixels).astype(np.float32) + labels
        error = np.abs(np.subtract(obvious_metrics(scores, labels), ours(scores, labels))).max()
        slow, fast = medians(
            options.repeats,
            lambda scores=scores, labels=labels: obvious_metrics(scores, labels),
            lambda scores=scores, labels=labels: ours(scores, labels),
        )
        name = f"ranking, {options.pixels:,} pixels, {share:.1%} anomalies"
        table.add_row(name, f"{slow:.3f} s", f"{fast:.3f} s", f"{slow / fast:.1f}", f"{error:.1e}")
    Console().print(table)


if __name__ == "__main__":
    main()
