"""Copies of the process of the tests, which have imported all that it has."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch


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
