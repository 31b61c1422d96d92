"""Rows of the table: files of thresholds, for `eval` and for `predict`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from tests.anomaly_eval.hostile.bench import Bench, Prepare, Row

FILE = "thresholds.json"


def used(bench: Bench) -> tuple[list[str], list[str]]:
    """Return the words of both commands that read such files."""
    path = str(bench.folder / "run" / FILE)
    network = ["--ckpt", str(bench.folder / "net.pth"), "--device", "cpu", "--out", str(bench.out)]
    predict = ["predict", str(bench.image), *network, "--score", "msp", "--thresholds", path]
    return bench.eval(thresholds=path), predict


def by_both(*damages: Callable[[Bench], object]) -> tuple[Prepare, ...]:
    """Return how a row damages the file in several ways, and gives each to both commands."""

    def prepared(damage: Callable[[Bench], object], which: int) -> Callable[[Bench], Sequence[str]]:
        return lambda bench: (damage(bench), used(bench)[which])[1]

    return tuple(prepared(damage, which) for damage in damages for which in range(2))


def instead(content: bytes) -> Callable[[Bench], object]:
    """Return what writes something else into the file."""
    return lambda bench: (bench.folder / "run" / FILE).write_bytes(content)


def cut(bench: Bench) -> None:
    """Leave out the second half."""
    path = bench.folder / "run" / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Bench], None]:
    """Return what changes the content of the file."""

    def damage(bench: Bench) -> None:
        path = bench.folder / "run" / FILE
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def of_row(**fields: object) -> Callable[[Bench], None]:
    """Return what changes fields of the first row."""
    return changed(lambda content: content["rows"][0].update(fields))


def pipe(bench: Bench) -> None:
    """Put a pipe in the place of the file."""
    (bench.folder / "run" / FILE).unlink()
    os.mkfifo(bench.folder / "run" / FILE)


ROWS = [
    Row(
        "a thresholds.json that is truncated, nested without end, or something else",
        2,
        "`is no file of thresholds`, `--operating-points`",
        by_both(cut, instead(b"[" * 100_000), instead(b'{"rows": []}')),
        FILE,
    ),
    Row(
        "a thresholds.json with NaN or text in the place of a threshold, or of another version",
        2,
        "`holds no usable thresholds`, `--operating-points`",
        by_both(
            of_row(threshold=float("nan")),
            of_row(threshold="high"),
            changed(lambda content: content.update(format_version=2)),
        ),
        FILE,
    ),
    Row(
        "a thresholds.json with a newline or an escape sequence in a name",
        2,
        "`holds no usable thresholds: it has the name`",
        by_both(of_row(dataset="own\nother"), of_row(point="\x1b[31mf1")),
        FILE,
    ),
    Row(
        "thresholds of another network, or of it at another size",
        2,
        "`were chosen with`, `--operating-points`",
        by_both(
            changed(lambda content: content["origin"].update(checkpoint_sha256="0" * 64)),
            changed(lambda content: content["origin"].update(resize="0.5x")),
        ),
        FILE,
    ),
    Row(
        "thresholds of other scores alone",
        2,
        "`has thresholds of energy, none of msp`",
        by_both(of_row(method="energy")),
        FILE,
    ),
    Row("a pipe in place of thresholds.json", 2, "`it is a pipe or a device`", by_both(pipe), FILE),
]
