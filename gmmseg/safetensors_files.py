"""Tensors and notes as safetensors files, which hold nothing that could run: networks, and what scores learnt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

SUFFIX = ".safetensors"
NOTES = "gmmseg_anomaly"
"""Where the header of a network says, as JSON, what the `meta` of a checkpoint says; files of others have none."""


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file of tensors on the CPU; the same tensors and texts are the same bytes."""
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata=dict(metadata))
    # The metadata come in another order each time.
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    written = header.encode()
    # Readers want tensors at multiples of eight bytes.
    written += b" " * (-len(written) % 8)
    return len(written).to_bytes(8, "little") + written + content[start:]


def read_safetensors(path: Path) -> dict[str, Any]:
    """Return `state_dict` and `meta` of a file; floating-point weights of less than 32 bits become float32.

    Raises errors of many kinds for a damaged file; its header may claim what it likes without taking memory.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        weights = {name: _widened(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    return {"state_dict": weights, "meta": json.loads(metadata.get(NOTES, "{}"))}


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the hash over the names, types, shapes and bytes of tensors on the CPU."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _widened(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() and value.itemsize < torch.float32.itemsize else value
