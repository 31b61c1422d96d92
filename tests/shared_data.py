"""Where real data for tests lies, on machines that have it."""

from __future__ import annotations

from pathlib import Path

import pytest


def shared_data() -> Path:
    """Return the data root beside the repository, or skip the test where there is none."""
    root = Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"there is no real data in {root}")
    return root
