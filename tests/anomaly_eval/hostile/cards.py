"""Rows of the table: cards of data sets."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.anomaly_eval.hostile.bench import ANOMALY_CARD, Bench, Row

CARD = "own.yaml"


def layout(**changes: object) -> Callable[[Bench], list[str]]:
    """Return how a row changes the layout of the card."""

    def prepare(bench: Bench) -> list[str]:
        (flat,) = ANOMALY_CARD["layouts"]  # type: ignore[misc]
        bench.write_card(layouts=[{**flat, **changes}])
        return bench.eval()

    return prepare


def fields(**changes: object) -> Callable[[Bench], list[str]]:
    """Return how a row changes fields of the card."""
    return lambda bench: (bench.write_card(**changes), bench.eval())[1]


def added(text: str) -> Callable[[Bench], list[str]]:
    """Return how a row appends to the card."""

    def prepare(bench: Bench) -> list[str]:
        path = bench.folder / CARD
        path.write_text(path.read_text() + text)
        return bench.eval()

    return prepare


def instead(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row writes something else into the card."""
    return lambda bench: ((bench.folder / CARD).write_bytes(content), bench.eval())[1]


def pipe(bench: Bench) -> list[str]:
    """Put a pipe, into which nobody writes, in the place of the card."""
    (bench.folder / CARD).unlink()
    os.mkfifo(bench.folder / CARD)
    return bench.eval()


def device(bench: Bench) -> list[str]:
    """Lead to a device that never ends."""
    (bench.folder / CARD).unlink()
    (bench.folder / CARD).symlink_to("/dev/zero")
    return bench.eval()


def folder(bench: Bench) -> list[str]:
    """Put a folder in the place of the card."""
    (bench.folder / CARD).unlink()
    (bench.folder / CARD).mkdir()
    return bench.eval()


def laughing(bench: Bench) -> list[str]:
    """Write lists of lists by aliases, in one line: 10 to the power of 12 label values."""
    values = "0"
    for level in range(12):
        values = f"&l{level} [{values}{f', *l{level - 1}' * 9 if level else ''}]"
    path = bench.write_card(labels="LABELS")
    path.write_text(path.read_text().replace("LABELS", f"{{inlier: [{values}], anomaly: [2]}}"))
    return bench.eval()


def merges(levels: int) -> str:
    """Write mappings that merge mappings that merge mappings: 10 to the power of the levels keys."""
    lines = ["m0: &m0 {a: 1}"]
    for level in range(1, levels):
        lines.append(f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * 10)}]}}")
    return "\n".join(lines)


OUTSIDE = "`must be relative to the data root`"

ROWS = [
    Row("a card with .. in a path", 2, OUTSIDE, layout(images="../{id}.png"), CARD),
    Row("a card with an absolute path", 2, OUTSIDE, layout(masks="/etc/{id}.png"), CARD),
    Row(
        "a card with .. or an absolute path as folder",
        2,
        OUTSIDE,
        (fields(folders=["../x"]), fields(folders=["/x"])),
        CARD,
    ),
    Row(
        "a card with more than three wildcards in a name",
        2,
        "`more than 3 wildcards in a name`",
        layout(images="{folder}/images/*a*a*a*a*{id}.png"),
        CARD,
    ),
    Row(
        "a card with .. or an absolute path in the pattern of an id",
        2,
        "`must hold patterns of names`",
        (
            layout(images="{folder}/{id:../*}.png"),
            layout(masks="{folder}/{id:*/..}/mask.png"),
            layout(masks="{folder}/{id:/etc/*}.png"),
        ),
        CARD,
    ),
    Row(
        "a card with wildcards on more than eight levels",
        2,
        "`more than 8 levels`",
        (layout(images="{folder}/" + "*/" * 8 + "{id}.png"), layout(images="{folder}/{id:" + "*/" * 40 + "*}.png")),
        CARD,
    ),
    Row(
        "a card with a Python object (YAML tag)",
        2,
        "`is not valid YAML`",
        added("notes: !!python/name:os.system\n"),
        CARD,
    ),
    Row(
        "a card whose aliases multiply (billion laughs)",
        2,
        "`is neither a mask value nor a range`",
        laughing,
        CARD,
    ),
    Row(
        "a card whose merged mappings multiply",
        2,
        "`the dataset card`; at once, whatever they would multiply to",
        added(merges(9)),
        CARD,
    ),
    Row("an empty card", 2, "`has no fields`", instead(b""), CARD),
    Row(
        "a card of more than a mebibyte",
        2,
        "`it is larger than 1,048,576 bytes`",
        instead(b"#" * (1 << 20) + b"\n"),
        CARD,
    ),
    Row("a pipe in place of a card", 2, "`it is a pipe or a device rather than a file`", pipe, CARD),
    Row("a device in place of a card", 2, "`it is a pipe or a device rather than a file`", device, CARD),
    Row("a folder in place of a card", 2, "`Is a directory`", folder, CARD),
]
