"""Rows of the table: earlier results."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.anomaly_eval.hostile.bench import Bench, Row

RESULTS, CURVES = "run/results.json", "run/curves.csv"


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
]
