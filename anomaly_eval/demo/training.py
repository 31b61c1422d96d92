"""Training both networks at once, each by the ordinary `train` command in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.processor import usable_cores
from anomaly_eval.progress import progress_bar

_LOGGED = re.compile(r"Iter\(train\) \[ *(\d+)/")
_SECONDS_BETWEEN_LOOKS = 0.3
_SECONDS_TO_STOP = 20


@dataclass(frozen=True)
class Training:
    """One network to train: a shipped config, its options, the data root, and the new folder for weights and log."""

    config: str
    options: Sequence[str]
    data_root: Path
    out: Path
    seed: int
    init_from: Path

    @property
    def log(self) -> Path:
        """What the command prints."""
        return self.out.with_suffix(".log")

    @property
    def weights(self) -> Path:
        """What it ends with."""
        return self.out / "weights.pth"

    @property
    def words(self) -> list[str]:
        """Return the words of the command `gmmseg-anomaly`."""
        where = ["--data-root", str(self.data_root), "--out", str(self.out), "--seed", str(self.seed)]
        start = ["--init-from", str(self.init_from)]
        return ["train", self.config, *where, *start, "--cfg-options", *self.options]

    def progress(self) -> int:
        """Return the last iteration in the log."""
        found = _LOGGED.findall(self.log.read_text(encoding="utf-8", errors="replace"))
        return int(found[-1]) if found else 0


def train_together(trainings: Sequence[Training], iterations: int, console: Console) -> None:
    """Train all, sharing out the cores; a network as small as these gains little from a second one.

    Raises InputError with the last words of a training that fails; the others are then stopped.
    """
    running: list[tuple[Training, subprocess.Popen[bytes]]] = []
    try:
        for training in trainings:
            running.append((training, _start(training, max(1, usable_cores() // len(trainings)))))
        with progress_bar(console, f"training {len(trainings)} networks", iterations * len(trainings)) as advance:
            shown = 0
            while any(process.poll() is None for _, process in running):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                done = sum(training.progress() for training, _ in running)
                for _ in range(done - shown):
                    advance()
                shown = max(done, shown)
                _check(running)
        _check(running)
    finally:
        _stop([process for _, process in running])


def _start(training: Training, threads: int) -> subprocess.Popen[bytes]:
    training.out.parent.mkdir(parents=True, exist_ok=True)
    environment: Mapping[str, str] = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    with training.log.open("wb") as log:
        # Not in a new session: Ctrl-C in a terminal is for the trainings too.
        return subprocess.Popen(
            [sys.executable, "-m", "anomaly_eval", *training.words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )


def _check(running: Sequence[tuple[Training, subprocess.Popen[bytes]]]) -> None:
    for training, process in running:
        if process.poll():
            lines = training.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            said = lines[-1].removeprefix("error: ") if lines else f"exit code {process.returncode}."
            raise InputError(f"the training of {training.config} failed: {said}")


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
