"""Runs of the command in processes of their own, which are killed at a chosen moment; what they leave is compared."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from anomaly_eval.cli.main import main
from tests.forked import ended, in_another_process

MEASURES = ["--bootstrap", "40", "--seed", "3", "--per-image", "--components", "obstacle", "--save-scores"]
_OF_FILES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def run(words: list[str]) -> int:
    """Run the command in a process of its own and return its exit code."""
    return ended(in_another_process(lambda: main(words)))


def run_and_kill_after(words: list[str], seconds: float) -> int:
    """Run the command, kill it after some time, and return what `ended` does."""
    pid = in_another_process(lambda: main(words))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return ended(pid)


def run_and_kill_at(words: list[str], out: Path, event: int) -> int:
    """Run the command until just before it touches a file for `out` for the n-th time; return what `ended` does."""

    def work() -> int:
        left = event

        def hook(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if name in _OF_FILES and arguments and f".{out.name}." in str(arguments[0]):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        return main(words)

    return ended(in_another_process(work))


def content(out: Path) -> dict[str, bytes]:
    """Return all that a run wrote, by name, without the times and the command that led to it."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    results = json.loads(files["results.json"])
    del results["timing"], results["provenance"]["started"], results["provenance"]["command"]
    return files | {"results.json": json.dumps(results, sort_keys=True).encode()}
