"""Training several networks, some at once, each by the ordinary `train` command in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.failure import FAILURE_FILE
from anomaly_eval.runtime.machine import usable_cores
from anomaly_eval.runtime.progress import progress_bar

_LOGGED = re.compile(r"Iter\(train\) \[ *(\d+)/")
_SECONDS_BETWEEN_LOOKS = 0.3
_SECONDS_TO_STOP = 20


@dataclass(frozen=True)
class Training:
    """One network to train: a config, its options, the data root, and the folder for weights; the log lies beside it.

    iterations: what config and options come to; progress bars ask for it.
    A training that resumes takes its weights from the folder, and no others. `environment` is added to that of this
    process.
    """

    config: str
    options: Sequence[str]
    data_root: Path
    out: Path
    seed: int
    iterations: int
    init_from: Path | None = None
    resume: bool = False
    overwrite: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What the command prints."""
        return self.out.with_name(f"{self.out.name}.log")

    @property
    def weights(self) -> Path:
        """What it ends with."""
        return self.out / "weights.pth"

    @property
    def words(self) -> list[str]:
        """Return the words of the command `gmmseg-anomaly`."""
        where = ["--data-root", str(self.data_root), "--out", str(self.out), "--seed", str(self.seed)]
        start = [] if self.init_from is None or self.resume else ["--init-from", str(self.init_from)]
        how = [*(["--resume"] if self.resume else []), *(["--overwrite"] if self.overwrite else [])]
        return ["train", self.config, *where, *start, *how, "--cfg-options", *self.options]

    def progress(self) -> int:
        """Return the last iteration in the log."""
        found = _LOGGED.findall(self.log.read_text(encoding="utf-8", errors="replace"))
        return int(found[-1]) if found else 0


@dataclass(frozen=True)
class _Running:
    training: Training
    process: subprocess.Popen[bytes]
    started: float
    failure: Path
    """Where the process says why it failed."""


def train_all(
    trainings: Sequence[Training],
    at_once: int,
    console: Console,
    finished: Callable[[Training, float], None] = lambda training, seconds: None,
    held: Sequence[int] = (),
) -> None:
    """Train all, so many at once, and share the cores among them; `finished` gets each with its wall seconds.

    Networks that are worth training on a CPU gain little from a second core. The file descriptors `held` stay open as
    long as any training runs. Raises InputError with the log and the reason of a training that fails; the others are
    stopped.
    """
    threads = max(1, usable_cores() // at_once)
    waiting, running, done = list(trainings), list[_Running](), 0
    title, total = f"training {len(trainings)} networks", sum(one.iterations for one in trainings)
    try:
        with TemporaryDirectory() as failures, progress_bar(console, title, total) as advance:
            shown = 0
            while waiting or running:
                while waiting and len(running) < at_once:
                    running.append(_start(waiting.pop(0), threads, held, Path(failures, str(len(waiting)))))
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                for one in list(running):
                    if _has_ended(one):
                        running.remove(one)
                        done += one.training.iterations
                        finished(one.training, time.perf_counter() - one.started)
                reached = done + sum(one.training.progress() for one in running)
                for _ in range(reached - shown):
                    advance()
                shown = max(reached, shown)
    finally:
        _stop([one.process for one in running])


def _start(training: Training, threads: int, held: Sequence[int], failure: Path) -> _Running:
    training.out.parent.mkdir(parents=True, exist_ok=True)
    own = {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore", FAILURE_FILE: str(failure)}
    started = time.perf_counter()
    with training.log.open("wb") as log:
        # Not in a new session: Ctrl-C in a terminal is for the trainings too.
        process = subprocess.Popen(
            [sys.executable, "-m", "anomaly_eval", *training.words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own, **training.environment},
            pass_fds=held,
        )
    return _Running(training, process, started, failure)


def _has_ended(one: _Running) -> bool:
    """Whether a training is through; raises InputError where it failed."""
    code = one.process.poll()
    if code:
        said = one.failure.read_text(encoding="utf-8") if one.failure.is_file() else f"it ended with code {code}."
        raise InputError(f"the training of {one.training.out.name} failed (its log is {one.training.log}): {said}")
    return code is not None


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
