"""Trainings run so many at once, and a failing one stops the others; small programs stand in for `train`."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.studies import trainings
from anomaly_eval.studies.trainings import Training, train_all

TELLING = """
import sys
from anomaly_eval.runtime.failure import tell_starter
tell_starter("no data.")
print("error: another line of the log")
sys.exit(2)
"""
SILENT = Console(file=io.StringIO())


def training(folder: Path, program: str) -> Training:
    return Training(program, ["a.b=1"], Path("data"), folder, seed=3, iterations=5, init_from=Path("start.pth"))


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run the config as a Python program; the answer is how many were running when each was started."""
    counts: list[int] = []
    started: list[Any] = []

    def start(words: list[str], **options: Any) -> Any:
        counts.append(sum(process.poll() is None for process in started))
        process = Popen([sys.executable, "-c", words[4]], **options)
        started.append(process)
        return process

    monkeypatch.setattr(trainings.subprocess, "Popen", start)
    monkeypatch.setattr(trainings, "_SECONDS_BETWEEN_LOOKS", 0.01)
    return counts


def test_no_more_than_so_many_run_at_once_and_none_waits_without_need(tmp_path: Path, alive: list[int]) -> None:
    ended: list[str] = []
    programs = {"long": "import time; time.sleep(1)", **dict.fromkeys("abc", "pass")}
    trainings = [training(tmp_path / name, program) for name, program in programs.items()]
    train_all(trainings, 2, SILENT, finished=lambda one, seconds: ended.append(one.out.name))
    assert max(alive) == 1
    assert ended == ["a", "b", "c", "long"]


def test_the_reason_of_a_training_that_fails_is_told_and_the_others_are_stopped(
    tmp_path: Path, alive: list[int]
) -> None:
    started = time.perf_counter()
    programs = {"long": "import time; time.sleep(60)", "bad": TELLING}
    trainings = [training(tmp_path / name, program) for name, program in programs.items()]
    with pytest.raises(InputError) as error:
        train_all(trainings, 2, SILENT)
    assert str(error.value) == f"the training of bad failed (its log is {tmp_path / 'bad.log'}): no data."
    assert time.perf_counter() - started < 30


def test_one_that_a_signal_ended(tmp_path: Path, alive: list[int]) -> None:
    program = "import os; print('half a word', flush=True); os.kill(os.getpid(), 9)"
    with pytest.raises(InputError, match="ended with code -9"):
        train_all([training(tmp_path / "killed", program)], 1, SILENT)


def test_one_that_gives_no_reason(tmp_path: Path, alive: list[int]) -> None:
    program = "import sys; print('a line of the log'); sys.exit(3)"
    with pytest.raises(InputError, match=r"\): it ended with code 3\.$"):
        train_all([training(tmp_path / "silent", program)], 1, SILENT)


def test_the_command_itself_hands_over_what_it_tells_users(tmp_path: Path) -> None:
    config = tmp_path / "none.py"
    with pytest.raises(InputError) as error:
        train_all([replace(training(tmp_path / "real", str(config)), init_from=None)], 1, SILENT)
    log = tmp_path / "real.log"
    assert str(config) in str(error.value)
    assert (
        str(error.value) == f"the training of real failed (its log is {log}): " + log.read_text()[len("error: ") : -1]
    )


def test_one_that_goes_on_takes_its_own_weights(tmp_path: Path) -> None:
    new = training(tmp_path / "a.b", "config")
    assert new.log == tmp_path / "a.b.log"
    assert "--init-from" in new.words and "--resume" not in new.words
    resumed = Training("config", ["a.b=1"], Path("data"), tmp_path, 3, 5, Path("start.pth"), resume=True)
    assert "--init-from" not in resumed.words and "--resume" in resumed.words
    assert resumed.words[-2:] == ["--cfg-options", "a.b=1"]
