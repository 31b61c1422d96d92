"""How folders that our commands wrote are recognised, whichever command it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

MARKERS: Mapping[str, frozenset[str]] = {
    "results.json": frozenset({"format_version", "rows", "provenance"}),
    "report.json": frozenset({"format_version", "runs", "formats"}),
    "predictions.json": frozenset({"format_version", "network", "score", "images"}),
    "calibration.json": frozenset({"format_version", "rows", "networks"}),
    "speed.json": frozenset({"format_version", "rows", "seconds", "machine"}),
    "demo.json": frozenset({"networks", "iterations", "seconds"}),
    "plan.json": frozenset({"plan", "seed", "iterations", "init_from_sha256"}),
}
"""The JSON file in each folder of ours, and keys that ours has in every version, and no other file of its name."""


def is_marked(folder: Path, marker: str) -> bool:
    """Whether a folder holds that one of the files, as we write it."""
    path = folder / marker
    try:
        # A pipe would be waited for.
        content = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() >= MARKERS[marker]


def is_ours(folder: Path) -> bool:
    """Whether one of our commands wrote a folder."""
    return any(is_marked(folder, marker) for marker in MARKERS)
