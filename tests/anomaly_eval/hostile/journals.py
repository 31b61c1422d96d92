"""Rows of the table: what an interrupted run left, damaged or of another run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from anomaly_eval.cli.main import main
from tests.anomaly_eval.hostile.bench import Bench, Row

RECORD, RUN, STATISTICS = "records/own/0.record", "run.json", "statistics.safetensors"


def interrupted(change: Callable[[Path], object], **more: str) -> Callable[[Bench], list[str]]:
    """Return how a row changes the journal of a run that ended at the second image, which is good again."""

    def prepare(bench: Bench) -> list[str]:
        sound = bench.mask.read_bytes()
        bench.mask.write_bytes(b"")
        words = bench.eval(fit_dataset=bench.folder / "training.yaml", scores="msp sml")
        assert main(words) == 2
        bench.mask.write_bytes(sound)
        change(bench.folder / ".out.journal")
        return [*words, *(word for option in more.items() for word in (f"--{option[0]}", option[1]))]

    return prepare


def flipped(name: str) -> Callable[[Path], object]:
    """Return how a row changes one bit of a file."""

    def change(journal: Path) -> None:
        content = bytearray((journal / name).read_bytes())
        content[-3] ^= 4
        (journal / name).write_bytes(content)

    return change


def torn(name: str) -> Callable[[Path], object]:
    """Return how a row keeps the first half of a file, as a power failure does."""
    return lambda journal: os.truncate(journal / name, (journal / name).stat().st_size // 2)


def pipe(name: str) -> Callable[[Path], object]:
    """Return how a row puts a pipe, into which nobody writes, in the place of a file."""

    def change(journal: Path) -> None:
        (journal / name).unlink()
        os.mkfifo(journal / name)

    return change


def same_as_whole(bench: Bench) -> None:
    """Check that the results are those of a run that nobody interrupted, and that nothing is left."""
    words = bench.eval(fit_dataset=bench.folder / "training.yaml", scores="msp sml", out=bench.folder / "whole")
    assert main(words) == 0
    for name in ("results.csv", "curves.csv", "histograms.csv"):
        assert (bench.out / name).read_bytes() == (bench.folder / "whole" / name).read_bytes()
    assert not list(bench.folder.glob(".out*"))


ROWS = [
    Row(
        "a record of an interrupted run that is torn or changed, or a pipe in its place",
        0,
        "the image is evaluated again, with a word",
        (interrupted(flipped(RECORD)), interrupted(torn(RECORD)), interrupted(pipe(RECORD))),
        check=same_as_whole,
    ),
    Row(
        "statistics of an interrupted run that are torn or changed",
        0,
        "fitted again, with a word, and all images are evaluated again",
        (interrupted(flipped(STATISTICS)), interrupted(torn(STATISTICS))),
        check=same_as_whole,
    ),
    Row(
        "an interrupted run that does not say what it was of",
        0,
        "all is done again",
        (interrupted(torn(RUN)), interrupted(pipe(RUN)), interrupted(lambda journal: (journal / RUN).unlink())),
        check=same_as_whole,
    ),
    Row(
        "an interrupted run of something else",
        2,
        "`is not this one: --resize was native and is 0.5x`, `--overwrite to start anew`",
        interrupted(lambda journal: None, resize="0.5x"),
        "out",
    ),
]
