"""Rows of the table: statistics files."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from tests.anomaly_eval.hostile.bench import Bench, Row

FILE = "stats.safetensors"


def use(bench: Bench) -> list[str]:
    """Evaluate both scores that learn with the file."""
    return bench.eval(scores="sml mahalanobis", stats=bench.folder / FILE)


def instead(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row writes something else into the file."""
    return lambda bench: ((bench.folder / FILE).write_bytes(content), use(bench))[1]


def cut(bench: Bench) -> list[str]:
    """Leave out the last bytes."""
    path = bench.folder / FILE
    path.write_bytes(path.read_bytes()[:-8])
    return use(bench)


def flipped(bench: Bench) -> list[str]:
    """Change one bit of one number."""
    path = bench.folder / FILE
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    return use(bench)


def written(
    tensors: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] = lambda tensors: tensors,
    metadata: Callable[[dict[str, str]], dict[str, str]] = lambda metadata: metadata,
) -> Callable[[Bench], list[str]]:
    """Return how a row writes the file anew with other content, as a program would that knows the format."""

    def prepare(bench: Bench) -> list[str]:
        from gmmseg.safetensors_files import tensors_sha256

        path = bench.folder / FILE
        with safe_open(path, framework="pt") as file:
            kept: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            noted = dict(file.metadata())
        kept = tensors(kept)
        noted = metadata(noted | {"tensors_sha256": tensors_sha256(kept)})
        path.write_bytes(save(kept, metadata=noted))
        return use(bench)

    return prepare


def pipe(bench: Bench) -> list[str]:
    """Put a pipe, into which nobody writes, in the place of the file."""
    (bench.folder / FILE).unlink()
    os.mkfifo(bench.folder / FILE)
    return use(bench)


ROWS = [
    Row(
        "a statistics file with a wrong header",
        2,
        "`is no statistics file`, `or is damaged`",
        instead(struct.pack("<Q", 1 << 40) + b"{}"),
        FILE,
    ),
    Row("a truncated statistics file", 2, "`is no statistics file`, `or is damaged`", cut, FILE),
    Row("a statistics file with one wrong bit", 2, "`is no statistics file`, `or is damaged`", flipped, FILE),
    Row(
        "a statistics file whose records are no records",
        2,
        "`is no statistics file`, `or is damaged`",
        written(metadata=lambda noted: {**noted, "fits": json.dumps([1, 2])}),
        FILE,
    ),
    Row(
        "statistics of another number of classes",
        2,
        "`the statistics of sml are of 2 classes, the network has 5; fit again`",
        written(lambda kept: {**kept, "sml.mean": kept["sml.mean"][:2], "sml.deviation": kept["sml.deviation"][:2]}),
    ),
    Row(
        "statistics of another number of features",
        2,
        "`the statistics of mahalanobis`, `features`",
        written(
            lambda kept: {
                **kept,
                "mahalanobis.means": kept["mahalanobis.means"][:, :3].contiguous(),
                "mahalanobis.whitening": kept["mahalanobis.whitening"][:, :3].contiguous(),
            }
        ),
    ),
    Row(
        "statistics with NaN or a deviation of 0",
        2,
        "`the statistics of sml in`, `are damaged`",
        (
            written(lambda kept: {**kept, "sml.deviation": torch.zeros_like(kept["sml.deviation"])}),
            written(lambda kept: {**kept, "sml.mean": torch.full_like(kept["sml.mean"], torch.nan)}),
        ),
        FILE,
    ),
    Row("a pipe in place of a statistics file", 2, "`there is no statistics file`", pipe, FILE),
]
