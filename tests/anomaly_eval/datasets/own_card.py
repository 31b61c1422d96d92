"""A card of a data set of one's own, written with some fields replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LAYOUT = {"name": "flat", "images": "{folder}/i/{id}.*", "masks": "{folder}/m/{id}.*"}
CARD = {
    "name": "my_set",
    "title": "My set",
    "task": "anomaly",
    "variants": {"val": {"images": 2}, "test": None},
    "default_variant": "val",
    "labels": {"inlier": [0], "anomaly": [1], "void": [255]},
    "layouts": [LAYOUT],
}
CLOSED_SET = {"task": "closed_set", "classes": ["road", "sky"], "labels": {"inlier": ["0-1"], "void": [255]}}


def write_card(path: Path, **changes: Any) -> Path:
    """Write the card, without the fields that are replaced by `...`."""
    card = {key: value for key, value in (CARD | changes).items() if value is not ...}
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    return path
