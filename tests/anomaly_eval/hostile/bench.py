"""A data root, a card and a network that all rows of the table start from, and what a row is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import yaml

from tests.anomaly_eval.commands import SIZE, TRAINING_CARD, write_pair

ANOMALY_CARD: dict[str, object] = {
    "name": "own",
    "title": "Own",
    "task": "anomaly",
    "variants": {"all": {"images": 2}},
    "default_variant": "all",
    "labels": {"inlier": [0, "3-5"], "anomaly": [2], "void": [255]},
    "layouts": [{"name": "flat", "images": "{folder}/images/{id}.*", "masks": "{folder}/labels_masks/{id}.*"}],
}


@dataclass(frozen=True)
class Bench:
    """Two images of a data set of one's own, a network, and results of it, all good until a row damages them."""

    folder: Path
    """Holds data/own with images and labels_masks, own.yaml, training.yaml, net.pth, stats.safetensors and run/."""
    patch: pytest.MonkeyPatch
    """For what the system would say; undone when the test ends."""

    @property
    def data(self) -> Path:
        """The data root."""
        return self.folder / "data"

    @property
    def image(self) -> Path:
        """The second image, good until it is replaced."""
        return self.data / "own" / "images" / "1.png"

    @property
    def mask(self) -> Path:
        """The mask of that image."""
        return self.data / "own" / "labels_masks" / "1.png"

    @property
    def out(self) -> Path:
        """Where nothing is yet."""
        return self.folder / "out"

    def write_card(self, **changes: object) -> Path:
        """Write the card with some fields replaced."""
        path = self.folder / "own.yaml"
        path.write_text(yaml.safe_dump(ANOMALY_CARD | changes), encoding="utf-8")
        return path

    def eval(self, **replaced: object) -> list[str]:
        """Return the words of `eval` with some options replaced or added."""
        options = {"ckpt": self.folder / "net.pth", "dataset": self.folder / "own.yaml", "scores": "msp"}
        options |= {"data_root": self.data, "out": self.out, "device": "cpu"} | replaced
        spread = [(f"--{name}".replace("_", "-"), *str(value).split(" ")) for name, value in options.items()]
        return ["eval", *(word for words in spread for word in words)]

    def fit(self, out: Path) -> list[str]:
        """Return the words of `fit`."""
        words = ["fit", "--ckpt", self.folder / "net.pth", "--dataset", self.folder / "training.yaml"]
        return [*map(str, words), "--data-root", str(self.data), "--out", str(out), "--device", "cpu"]

    def report(self) -> list[str]:
        """Return the words of `report` with figures."""
        return ["report", str(self.folder / "run"), "--out", str(self.out), "--figures"]


Prepare: TypeAlias = Callable[[Bench], Sequence[str]]


@dataclass(frozen=True)
class Row:
    """One row of the table: a hostile or broken file, and what it gets.

    `what` and `answer` are the first and the last cell in docs/hostile-files.md; each text between backticks of the
    answer to a refused file is a part of the sentence that refuses it.
    """

    what: str
    code: int
    answer: str
    prepare: Prepare | tuple[Prepare, ...]
    """Damages the bench and returns the words of the command; several where the row speaks of several things."""
    names: str = ""
    """What the sentence must name, usually the file."""
    check: Callable[[Bench], None] = lambda bench: None
    """Looks at what an accepted file led to, or at what a refused one left."""
    only_as_ordinary_user: bool = False
    only_without_gpu: bool = False

    @property
    def variations(self) -> tuple[Prepare, ...]:
        """All that the row speaks of."""
        return self.prepare if isinstance(self.prepare, tuple) else (self.prepare,)

    @property
    def fragments(self) -> list[str]:
        """The parts of the sentence that the answer quotes."""
        return self.answer.split("`")[1::2]


def draw(folder: Path, patch: pytest.MonkeyPatch) -> Bench:
    """Fill a folder, all but the network, the statistics and the results."""
    rng = np.random.default_rng(0)
    bench = Bench(folder, patch)
    for index in range(2):
        pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[20:40, 30:50] = 2
        write_pair(bench.data / "own", str(index), pixels, mask)
        write_pair(bench.data / "training", str(index), pixels, rng.integers(0, 5, mask.shape, dtype=np.uint8))
    bench.write_card()
    (folder / "training.yaml").write_text(TRAINING_CARD.replace("images: 3", "images: 2"))
    return bench


def copy_of(bench: Bench, folder: Path, patch: pytest.MonkeyPatch) -> Bench:
    """Return a bench of its own, to be damaged."""
    shutil.copytree(bench.folder, folder, dirs_exist_ok=True)
    return Bench(folder, patch)
