"""Networks that were exported to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import NetworkKind

if TYPE_CHECKING:
    from anomaly_eval.segmenters.onnx.network import OnnxNetwork


class OnnxFiles(NetworkKind):
    """A graph that takes an image and gives logits or probabilities."""

    title = "networks exported to ONNX (.onnx, with a .yaml of the same name for what the file does not say)"
    takes = frozenset({"mean", "std", "colours"})

    def recognises(self, given: Path) -> bool:
        """Take files by their ending; ONNX has no first bytes of its own."""
        return given.suffix.lower() == ".onnx"

    def load(self, given: Given, device: torch.device) -> OnnxNetwork:
        """Open the file with onnxruntime, and look at what it makes of an image."""
        from anomaly_eval.segmenters.onnx.network import load_network

        return load_network(given, device)
