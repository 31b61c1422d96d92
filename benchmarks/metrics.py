"""How fast, how large and how exact the ranking metrics are beside what a user would otherwise take, in one run.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --pixels 200000000

AUROC, AP and FPR95 of images of 1000 x 1000 pixels with one rectangle of anomalies each, by scikit-learn's three
functions, torchmetrics (exact, and with 200 thresholds), pytorch-ood, and ours (exact, and binned). Each has a process
of its own, one after the other. Time is the best of some repeats and includes taking in image by image, where the
contender works so; memory is the peak above the images and the imported modules; the error is the largest difference of
the three metrics, as rates, from the exact ones. A contender that is not installed or fails says so.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from anomaly_eval.runtime.machine import keep_freed_memory, prefer_fast_sort

prefer_fast_sort()
keep_freed_memory()

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

SIDE = 1000
THRESHOLDS = 200
Images = list[tuple[np.ndarray, np.ndarray]]
Metrics = tuple[float, float, float]


def draw_images(pixels: int, share: float) -> Images:
    """Return scores N(label, 1), float32, and labels of images with a share of anomalies each."""
    rng, height = np.random.default_rng(0), round(SIDE * share**0.5)
    images = []
    for _ in range(pixels // SIDE**2):
        label = np.zeros((SIDE, SIDE), np.uint8)
        top, left = rng.integers(0, SIDE - height, 2)
        label[top : top + height, left : left + height] = 1
        images.append((rng.standard_normal((SIDE, SIDE), np.float32) + label, label))
    return images


def scikit_learn(images: Images) -> Callable[[], Metrics]:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    # Joining the images is not counted against it.
    scores = np.concatenate([image.ravel() for image, _ in images])
    labels = np.concatenate([label.ravel() for _, label in images])

    def run() -> Metrics:
        fpr, tpr, _ = roc_curve(labels, scores)
        fpr95 = fpr[np.flatnonzero(tpr >= 0.95)[0]]
        return roc_auc_score(labels, scores), average_precision_score(labels, scores), fpr95

    return run


def _torchmetrics(images: Images, thresholds: int | None) -> Callable[[], Metrics]:
    import torch
    from torchmetrics import MetricCollection
    from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision, BinaryROC

    def run() -> Metrics:
        kinds = (BinaryAUROC, BinaryAveragePrecision, BinaryROC)
        metrics = MetricCollection({kind.__name__: kind(thresholds=thresholds) for kind in kinds})
        for scores, labels in images:
            metrics.update(torch.from_numpy(scores), torch.from_numpy(labels).long())
        found = metrics.compute()
        fpr, tpr, _ = found["BinaryROC"]
        fpr95 = fpr[torch.nonzero(tpr >= 0.95)[0]]
        return float(found["BinaryAUROC"]), float(found["BinaryAveragePrecision"]), float(fpr95)

    return run


def torchmetrics_exact(images: Images) -> Callable[[], Metrics]:
    return _torchmetrics(images, None)


def torchmetrics_binned(images: Images) -> Callable[[], Metrics]:
    return _torchmetrics(images, THRESHOLDS)


def pytorch_ood(images: Images) -> Callable[[], Metrics]:
    import torch
    from pytorch_ood.metrics import OODMetrics

    def run() -> Metrics:
        metrics = OODMetrics()
        for scores, labels in images:
            metrics.update(torch.from_numpy(scores), -torch.from_numpy(labels).long())
        found = metrics.compute()
        return found["AUROC"], found["AUPR-OUT"], found["FPR95TPR"]

    return run


def ours_exact(images: Images) -> Callable[[], Metrics]:
    from anomaly_eval.metrics.ranking import RankingState

    def run() -> Metrics:
        state = RankingState()
        for scores, labels in images:
            state.update(scores, labels)
        found = state.compute()
        return tuple(found.rates.values())

    return run


def ours_binned(images: Images) -> Callable[[], Metrics]:
    from anomaly_eval.metrics.binned import BinnedRankingState
    from anomaly_eval.metrics.bins import ScoreBins

    def run() -> Metrics:
        state = BinnedRankingState(ScoreBins.uniform(16))
        for scores, labels in images:
            state.update(scores, labels)
        found = state.compute()
        return tuple(interval.value for interval in found.intervals.values())

    return run


CONTENDERS = {
    "scikit-learn": scikit_learn,
    "torchmetrics, exact": torchmetrics_exact,
    f"torchmetrics, {THRESHOLDS} thresholds": torchmetrics_binned,
    "pytorch-ood": pytorch_ood,
    "ours, exact": ours_exact,
    "ours, 2^16 bins": ours_binned,
}


def resident(field: str) -> int:
    """Return a field of this process's memory in bytes: VmRSS now, VmHWM at its peak."""
    (kibibytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(kibibytes)


def measure(contender: str, pixels: int, share: float, repeats: int) -> dict[str, object]:
    """Measure in this process."""
    run = CONTENDERS[contender](draw_images(pixels, share))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        metrics = run()
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "peak": resident("VmHWM") - before, "metrics": [float(rate) for rate in metrics]}


def measure_apart(contender: str, pixels: int, share: float, repeats: int) -> dict[str, object] | str:
    """Measure in a process of its own; return the last line of what went wrong, if anything did."""
    words = ["--one", contender, "--pixels", pixels, "--shares", share, "--repeats", repeats]
    result = subprocess.run([sys.executable, __file__, *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        return (result.stderr.strip().splitlines() or [f"ended with {result.returncode}"])[-1]
    found: dict[str, object] = json.loads(result.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pixels", type=int, default=20_000_000)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.003, 0.1])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.pixels, options.shares[0], options.repeats)))
        return
    console = Console()
    for share in options.shares:
        table = Table("", "seconds", "times ours", "peak MB", "largest error")
        found = {}
        for name in options.contenders:
            found[name] = measure_apart(name, options.pixels, share, options.repeats)
        exact = found.get("ours, exact")
        for name, result in found.items():
            if isinstance(result, str):
                table.add_row(name, result)
                continue
            ratio = error = "--"
            if isinstance(exact, dict):
                ratio = f"{result['seconds'] / exact['seconds']:.1f}"
                error = f"{np.abs(np.subtract(result['metrics'], exact['metrics'])).max():.1e}"
            table.add_row(name, f"{result['seconds']:.3f}", ratio, f"{result['peak'] / 1e6:.0f}", error)
        console.print(f"{options.pixels:,} pixels, {share:.1%} anomalies", table)


if __name__ == "__main__":
    main()
