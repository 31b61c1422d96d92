"""Python files as users bring them, and how one is loaded."""

from __future__ import annotations

from pathlib import Path

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        torch.manual_seed(3)
        self.body, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, classes, 1)

    def forward(self, images):
        return self.head(self.body(images).relu())
"""


def write(folder: Path, text: str, name: str = "net.py", before: str = NET) -> Path:
    """Write a file of the network above, and of what a test is about."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(before + text)
    return path


def load(
    path: Path, function: str = "build", *, weights: Path | None = None, size: str | None = None, known: str = ""
) -> NetworkSegmenter:
    """Load the network that a function of a file builds."""
    given = Given(Path(f"{path}:{function}" if function else path), weights=weights)
    asked = None if size is None else InputSize.parse(size)
    return load_segmenter(given, device="cpu", input_size=asked, known_classes=known.split())
