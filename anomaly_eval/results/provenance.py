"""Where numbers come from: versions, threads, times."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import cv2
import torch

from anomaly_eval.results.records import Timing
from anomaly_eval.runtime.clock import Clock, peak_memory_mb


def timing_of(clock: Clock) -> Timing:
    """Return what a clock counted, and the peak memory so far."""
    spent = clock.seconds
    return Timing(
        load=spent["load"],
        input=spent["input"],
        fit=spent["fit"],
        forward=spent["forward"],
        scores=spent["scores"],
        metrics=spent["metrics"],
        output=spent["output"],
        total=clock.total,
        peak_memory_mb=peak_memory_mb(),
    )


def threads_on(device: str) -> int | None:
    """Return the number of threads that sums on a CPU are split among, which their bits depend on; None on a GPU."""
    return torch.get_num_threads() if device == "cpu" else None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    # Several distributions bring OpenCV, so the module itself is asked.
    found = {"python": platform.python_version(), "opencv": cv2.__version__}
    for package in (
        "gmmseg-anomaly",
        "torch",
        "numpy",
        "mmsegmentation",
        "mmengine",
        "mmcv",
        "mmcv-lite",
        "onnxruntime",
        "onnxruntime-gpu",
        "pillow",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
