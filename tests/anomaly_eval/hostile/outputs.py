"""Rows of the table: places that cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from tests.anomaly_eval.hostile.bench import Bench, Row


def read_only(bench: Bench) -> list[str]:
    """Take the permission to write."""
    (bench.folder / "closed").mkdir(mode=0o500)
    return bench.eval(out=bench.folder / "closed" / "out")


def under_a_file(bench: Bench) -> list[str]:
    """Ask for results below a file."""
    return bench.eval(out=bench.folder / "net.pth" / "out")


def failing(function: Callable[..., object], code: int) -> Callable[..., object]:
    """Return a function of files that says what the system would."""

    def fail(path: object, *arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    return fail


def read_only_disk(bench: Bench) -> list[str]:
    """Let no folder be made."""
    bench.patch.setattr(Path, "mkdir", failing(Path.mkdir, errno.EROFS))
    return bench.eval()


def full_disk(bench: Bench) -> list[str]:
    """Let no text be written any more."""
    bench.patch.setattr(Path, "write_text", failing(Path.write_text, errno.ENOSPC))
    return bench.eval()


def full_disk_for_statistics(bench: Bench) -> list[str]:
    """Let the last step of writing a file fail, when buffers reach the disk."""
    bench.patch.setattr(os, "fsync", failing(os.fsync, errno.ENOSPC))
    return bench.fit(bench.folder / "new.safetensors")


def check_nothing_is_left(bench: Bench) -> None:
    """Check that no part of a file stays behind."""
    assert not list(bench.folder.glob("*new.safetensors*"))


ROWS: list[Row] = [
    Row(
        "a folder without permission to write",
        2,
        "`cannot write`, `Permission denied`",
        read_only,
        "closed/out",
        only_as_ordinary_user=True,
    ),
    Row("a file on the way to --out", 2, "`cannot write`, `Not a directory`", under_a_file, "net.pth/out"),
    Row("a disk that is mounted read-only", 2, "`cannot write`, `Read-only file system`", read_only_disk, "/out"),
    Row("a disk that is full when results are written", 2, "`cannot write`, `No space left`", full_disk, "/out"),
    Row(
        "a disk that is full when statistics are written",
        2,
        "`cannot write`, `No space left`",
        full_disk_for_statistics,
        "new.safetensors",
        check=check_nothing_is_left,
    ),
]
