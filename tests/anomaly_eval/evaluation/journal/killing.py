"""Runs of the command in processes of their own, which are killed at a chosen moment; what they leave is compared."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch

from anomaly_eval.cli.main import main

MEASURES = ["--bootstrap", "40", "--seed", "3", "--per-image", "--components", "obstacle", "--save-scores"]
_OF_FILES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def in_another_process(work: Callable[[], int], printed: str | Path = os.devnull) -> int:
    """Start a copy of this process that does some work and exits with its result; return its id.

    What it prints, which belongs to no test's output, is added to a file.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with open(printed, "a") as file, redirect_stdout(file), redirect_stderr(file):
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            # The threads of OpenMP did not come along, and more than one would wait for them for ever.
            torch.set_num_threads(1)
            try:
                code = work()
            except Exception:
                traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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
