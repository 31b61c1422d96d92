"""Where real data for tests lies, on machines that have it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def shared_data() -> Path:
    """Return the data root beside the repository, or skip the test where there is none."""
    return _existing(SHARED / "data", "real data")


def shared_checkpoint() -> Path:
    """Return the Cityscapes-trained CGNet beside the repository, or skip the test where there is none."""
    return _existing(SHARED / "weights" / "cgnet_cityscapes.pth", "trained network")


def shared_erfnet() -> Path:
    """Return the file that builds a Cityscapes-trained ERFNet, or skip the test where there is none."""
    return _existing(SHARED / "networks" / "erfnet.py", "network in plain PyTorch")


def _existing(path: Path, what: str) -> Path:
    if not path.exists():
        pytest.skip(f"there is no {what} at {path}")
    return path
