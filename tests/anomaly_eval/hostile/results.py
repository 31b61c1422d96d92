"""Rows of the table: earlier results."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.checkpoints import Trap

RESULTS, CURVES, COUNTS = "run/results.json", "run/curves.csv", "run/counts.npz"


def instead(name: str, content: str) -> Callable[[Bench], list[str]]:
    """Return how a row writes something else into a file."""
    return lambda bench: ((bench.folder / name).write_text(content), bench.report())[1]


def cut(name: str) -> Callable[[Bench], list[str]]:
    """Return how a row leaves out the second half of a file."""

    def prepare(bench: Bench) -> list[str]:
        text = (bench.folder / name).read_text()
        return instead(name, text[: len(text) // 2 - 3])(bench)

    return prepare


def edited(**fields: object) -> Callable[[Bench], list[str]]:
    """Return how a row replaces top-level fields of the results."""

    def prepare(bench: Bench) -> list[str]:
        content = json.loads((bench.folder / RESULTS).read_text())
        return instead(RESULTS, json.dumps(content | fields))(bench)

    return prepare


def last_line(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Bench], list[str]]:
    """Return how a row changes the fields of the last line of a CSV file."""

    def prepare(bench: Bench) -> list[str]:
        *lines, last = (bench.folder / name).read_text().splitlines()
        return instead(name, "\n".join([*lines, ",".join(change(last.split(","))), ""]))(bench)

    return prepare


def pipe(name: str) -> Callable[[Bench], list[str]]:
    """Return how a row puts a pipe, into which nobody writes, in the place of a file."""

    def prepare(bench: Bench) -> list[str]:
        (bench.folder / name).unlink()
        os.mkfifo(bench.folder / name)
        return bench.report()

    return prepare


def other_data_set(bench: Bench) -> list[str]:
    """Call the data set in both CSV files by a path that leads out of the report."""
    for name in (CURVES, "run/histograms.csv"):
        path = bench.folder / name
        path.write_text(path.read_text().replace("\nown,", "\n../../../outside,"))
    return bench.report()


def stays_inside(bench: Bench) -> None:
    """Check that figures were written below the report alone."""
    assert [path.name for path in (bench.out / "figures").iterdir()] == ["_.._.._outside"]
    assert not list(Path(bench.folder).parent.rglob("outside"))


def drawn(prepare: Callable[[Bench], list[str]]) -> Callable[[Bench], list[str]]:
    """Return a row's preparation with a report that pairs runs."""
    return lambda bench: [*prepare(bench), "--bootstrap", "9"]


def counts(change: Callable[[bytes], bytes], *, vouched: bool) -> Callable[[Bench], list[str]]:
    """Return how a row replaces counts.npz; vouched: results.json then has its hash."""

    def prepare(bench: Bench) -> list[str]:
        path = bench.folder / COUNTS
        path.write_bytes(change(path.read_bytes()))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return edited(counts_sha256=digest)(bench) if vouched else bench.report()

    return drawn(prepare)


def with_array(array: bytes) -> Callable[[bytes], bytes]:
    """Return what puts something else into the place of the first array of counts."""

    def change(content: bytes) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            new.writestr("index.npy", old.read("index.npy"))
            new.writestr("0.0.npy", array)
        return made.getvalue()

    return change


def npy(shape: tuple[int, ...], content: bytes, kind: str = "|u1") -> bytes:
    """Return an array of numpy that holds something else than its header says."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


DAMAGED = "`is damaged or was not written by this tool`"

ROWS = [
    Row("a truncated results.json", 2, "`is damaged`, `evaluate anew`", cut(RESULTS), RESULTS),
    Row(
        "a results.json nested without end",
        2,
        "`is damaged`, `evaluate anew`",
        instead(RESULTS, "[" * 100_000),
        RESULTS,
    ),
    Row(
        "a results.json with other types or fields",
        2,
        "`was not written by this tool`",
        (edited(rows="many"), edited(more=1)),
        RESULTS,
    ),
    Row(
        "a results.json with rows of an unknown data set",
        2,
        "`it has no record of 'own'`",
        edited(datasets=[]),
        RESULTS,
    ),
    Row("a results.json of another version", 2, "`has the format version 99`", edited(format_version=99), RESULTS),
    Row("a pipe in place of results.json", 2, "`it is a pipe or a device`", pipe(RESULTS), RESULTS),
    Row("a truncated curves.csv", 2, DAMAGED, cut(CURVES), CURVES),
    Row(
        "a curves.csv with a rate beyond 1, or NaN",
        2,
        DAMAGED,
        (last_line(CURVES, lambda words: [*words[:-1], "7"]), last_line(CURVES, lambda words: [*words[:-1], "nan"])),
        CURVES,
    ),
    Row(
        "a curves.csv with a field of 200,000 characters",
        2,
        DAMAGED,
        instead(CURVES, '"' + "a" * 200_000 + '"\n'),
        CURVES,
    ),
    Row(
        "a histograms.csv with counts that are no numbers of pixels",
        2,
        DAMAGED,
        last_line("run/histograms.csv", lambda words: [*words[:-1], "-1"]),
        "run/histograms.csv",
    ),
    Row("a pipe in place of curves.csv", 2, "`it is a pipe or a device`", pipe(CURVES), CURVES),
    Row(
        "a curves.csv whose data set is called ../../../outside",
        0,
        "the figures stay in the report, in a folder with a harmless name",
        other_data_set,
        check=stays_inside,
    ),
    Row(
        "a truncated counts.npz, or another run's",
        2,
        "`is damaged or of another run`",
        (counts(lambda old: old[:-9], vouched=False), counts(with_array(npy((1, 2, 2, 3), bytes(12))), vouched=False)),
        COUNTS,
    ),
    Row(
        "a counts.npz, with its hash in results.json, that holds a pickle, claims terabytes or unpacks to more",
        2,
        "`was not written by this tool`; nothing of it runs",
        (
            counts(with_array(npy((2,), pickle.dumps([Trap()] * 2), "|O")), vouched=True),
            counts(with_array(npy((4, 2, 2, 1 << 40), b"")), vouched=True),
            counts(with_array(npy((1, 2, 2, 3), bytes(100_000_000))), vouched=True),
        ),
        COUNTS,
    ),
    Row(
        "a counts.npz, with its hash in results.json, whose counts are not those of the rows",
        2,
        "`the counts of 'msp' on 'own' are not those of the results`",
        counts(with_array(npy((1, 2, 2, 3), bytes(12))), vouched=True),
        COUNTS,
    ),
    Row("a pipe in place of counts.npz", 2, "`it is a pipe or a device`", drawn(pipe(COUNTS)), COUNTS),
]
