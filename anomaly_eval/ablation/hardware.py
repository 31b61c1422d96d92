"""What a step ran on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from anomaly_eval.processor import usable_cores
from anomaly_eval.results import Record


class Hardware(Record):
    """The processor, how many of its cores could be used, and the GPU, None where none was used."""

    processor: str
    cores: int
    gpu: str | None


def this_hardware(uses_gpu: bool) -> Hardware:
    """Return what this process runs on."""
    gpu = torch.cuda.get_device_name() if uses_gpu else None
    return Hardware(processor=processor_name(), cores=usable_cores(), gpu=gpu)


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return what the processor calls itself, else its architecture."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, named), platform.processor() or platform.machine() or "unknown")
