"""Checkpoints of mmsegmentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import NetworkKind

if TYPE_CHECKING:
    from anomaly_eval.segmenters.mmseg import MmsegNetwork


class MmsegCheckpoints(NetworkKind):
    """Weights of an `EncoderDecoder`, with their config in the file or beside it."""

    title = "checkpoints of mmsegmentation (.pth, or .safetensors as `networks export` writes them)"
    takes = frozenset({"config"})
    asked_last = True

    def recognises(self, given: Path) -> bool:
        """Take anything: files of PyTorch end in many ways, and the reader says best what is wrong with another."""
        return True

    def load(self, given: Given, device: torch.device) -> MmsegNetwork:
        """Build the network of a checkpoint and load its weights; importing mmsegmentation takes seconds."""
        from anomaly_eval.segmenters.mmseg import load_network

        return load_network(given.path, given.config, device)
