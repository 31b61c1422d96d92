"""Runs that differ from real ones in what a test is about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def edited(folder: Path, copy: Path, **replaced: object) -> str:
    """Copy a run with fields of its results replaced; a name with __ goes deeper."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("scores"))
    content = json.loads((copy / "results.json").read_text())
    for name, value in replaced.items():
        *parents, last = name.split("__")
        place = content
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        place[last] = value
    (copy / "results.json").write_text(json.dumps(content))
    return str(copy)
