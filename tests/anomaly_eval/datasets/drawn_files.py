"""Tiny images and masks on disk, and what is found of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import (
    SampleSet,
    find_samples,
)

VALUES = [[0, 1, 255, 0]]


def touch(folder: Path, *names: str) -> Path:
    """Put empty files into a folder, and return it."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def draw(path: Path, values: Any = VALUES, dtype: type[np.unsignedinteger[Any]] = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype=dtype)).save(path)
    return path


def draw_pair(image: Path, mask: Path, values: Any = VALUES) -> None:
    draw(image, np.full((1, 4, 3), 7))
    draw(mask, values)


def find(reference: str, root: Path) -> SampleSet:
    return find_samples(*load_card(reference), root)


def ids(samples: SampleSet) -> list[str]:
    return [sample.id for sample in samples.samples]


def label_of(samples: SampleSet) -> list[Any]:
    label: NDArray[np.uint8] = samples.samples[0].read_label()
    assert label.dtype == np.uint8
    found: list[Any] = label.tolist()
    return found
