"""Where a network runs."""

from __future__ import annotations

import torch

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import DeviceName
from anomaly_eval.runtime.machine import free_memory


def choose_device(name: DeviceName) -> torch.device:
    """Return the device of this name, `auto` being CUDA where it is there; raises InputError for CUDA that is not."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: PyTorch sees no CUDA device here; use --device cpu.")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def device_text(device: torch.device) -> str:
    """Return what results call a device: the model of a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def free_memory_of(device: torch.device) -> float | None:
    """Return which part of the memory of a device is free: of a GPU, or of the machine; None where nobody tells."""
    if device.type != "cuda":
        return free_memory()
    free, whole = torch.cuda.mem_get_info(device)
    return float(free / whole)
