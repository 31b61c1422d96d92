"""What tests of the command share: small data, and what a refusal looks like."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anomaly_eval.results.records import Results

Answer = tuple[int, str, str]
"""Exit code, standard output, standard error."""
Command = Callable[..., Answer]
SIZE = (96, 64)
TRAINING_CARD = """
name: training
title: Training scenes
task: closed_set
variants: {train: {images: 3}}
default_variant: train
size: [96, 64]
labels: {inlier: ["0-4"], void: [255]}
classes: [sky, building, road, vegetation, car]
layouts:
  - name: flat
    images: "{folder}/images/{id}.*"
    masks: "{folder}/labels_masks/{id}.*"
"""


def write_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, content in (("images", image), ("labels_masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(folder / kind / f"{name}.png")


def assert_refused(result: Answer, *words: str) -> None:
    """Exit code 2 and one sentence on standard error that holds the words; no traceback."""
    code, _, errors = result
    lines = [line for line in errors.splitlines() if line and "Warning" not in line and "warn" not in line]
    assert code == 2
    assert len(lines) == 1, errors
    assert lines[0].startswith("error: ") and lines[0].endswith((".", "yaml)."))
    for word in words:
        assert word in lines[0]


def read(folder: Path) -> Results:
    return Results.model_validate_json((folder / "out" / "results.json").read_text())


def strict_json(path: Path) -> Any:
    """Return the content of a file, as a reader sees it that knows no bare infinities and no NaN; JSON has none."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{path} holds a bare {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def nothing_left(folder: Path) -> bool:
    """No results and nothing half-written; of images that were finished before, the journal may be there."""
    return not (folder / "out").exists() and {path.name for path in folder.glob(".out*")} <= {".out.journal"}


def rows(folder: Path, name: str = "results.csv") -> list[dict[str, str]]:
    """Return the rows of a table in a folder of results."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
