"""What a step ran on."""

from __future__ import annotations

import torch

from anomaly_eval.results.records import Record
from anomaly_eval.runtime.machine import processor_name, usable_cores


class Hardware(Record):
    """The processor, how many of its cores could be used, and the GPU, None where none was used."""

    processor: str
    cores: int
    gpu: str | None


def this_hardware(uses_gpu: bool) -> Hardware:
    """Return what this process runs on."""
    gpu = torch.cuda.get_device_name() if uses_gpu else None
    return Hardware(processor=processor_name(), cores=usable_cores(), gpu=gpu)
