"""Processes that know of each other: no image twice, and no failure or death that the others do not hear of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from torch.distributed import HashStore, PrefixStore

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.processes.launching import Place
from anomaly_eval.evaluation.processes.team import FailedElsewhereError, Team, joined
from tests.anomaly_eval.evaluation.processes.ports import free_port

BEAT, PATIENCE = 0.05, 1.0
PROCESS = """
import sys, time
from anomaly_eval.evaluation.processes.launching import Place
from anomaly_eval.evaluation.processes.team import joined
port, rank = map(int, sys.argv[1:])
with joined(Place(rank, 2, rank, "localhost", port, hosted=False, start="0")) as team:
    print("there", flush=True)
    for _ in range(600):
        time.sleep(0.1)
        team.check()
"""


@pytest.fixture
def teams():
    """Return three processes of one team, played by one process."""
    store = HashStore()
    store.set_timeout(timedelta(seconds=5))
    made = [Team(rank, 3, PrefixStore("test", store), beat=BEAT, patience=PATIENCE) for rank in range(3)]
    yield made
    for team in made:
        team.end()


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def failure(team):
    try:
        team.check()
    except FailedElsewhereError as error:
        return str(error)
    return None


def test_no_number_is_claimed_twice_and_none_is_left(teams):
    found = [[], [], []]

    def claim(team, into):
        into.extend(team.claims("road_anomaly", 200))

    threads = [threading.Thread(target=claim, args=pair) for pair in zip(teams, found, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for own in found for number in own) == list(range(200))
    assert all(own == sorted(own) for own in found)
    assert next(teams[0].claims("another", 5)) == 0


def test_what_one_says_the_others_hear(teams):
    threading.Timer(0.2, teams[0].say, ("journal", "token")).start()
    assert [team.hear("journal") for team in teams] == ["token"] * 3


def test_a_failure_is_heard_by_all_with_its_reason(teams):
    teams[2].end("the image 7.png cannot be read.")
    assert until(lambda: failure(teams[0]))
    assert failure(teams[0]) == "process 3 of 3: the image 7.png cannot be read."
    # The first one passes it on when it ends by it.
    assert failure(teams[1]) is None
    teams[0].end(failure(teams[0]))
    assert until(lambda: failure(teams[1]))
    assert failure(teams[1]) == "process 3 of 3: the image 7.png cannot be read."
    with pytest.raises(FailedElsewhereError):
        teams[1].hear("what nobody says")


def test_a_process_that_shows_no_life_counts_as_dead_and_one_that_is_done_does_not(teams):
    teams[1].end()
    assert until(lambda: 1 in teams[0]._ended)
    teams[2]._left.set()
    started = time.monotonic()
    assert until(lambda: failure(teams[0]))
    assert "process 3 of 3 ended without a word" in failure(teams[0])
    assert time.monotonic() - started >= PATIENCE / 2


def test_all_are_waited_for(teams):
    for delay, team in ((0.1, teams[1]), (0.2, teams[2])):
        threading.Timer(delay, team.end).start()
    teams[0].wait_for_others()
    assert teams[0].others_ended


def start(port: int, rank: int) -> subprocess.Popen[str]:
    surroundings = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(port), str(rank)], stdout=subprocess.PIPE, text=True, env=surroundings
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_is_noticed(monkeypatch):
    port = free_port()
    monkeypatch.setattr(Team.__init__, "__kwdefaults__", {"beat": 0.1, "patience": 2.0})
    with (
        pytest.raises(InputError, match=r"process 2 of 2 ended without a word; .*same command again"),
        joined(Place(0, 2, 0, "localhost", port, hosted=False, start="0")) as team,
    ):
        other = start(port, rank=1)
        assert other.stdout is not None and other.stdout.readline() == "there\n"
        time.sleep(0.5)
        other.send_signal(signal.SIGKILL)
        other.wait()
        killed = time.monotonic()
        while time.monotonic() - killed < 30:
            team.check()
            time.sleep(0.05)


def test_the_others_of_a_dead_first_process_end():
    port = free_port()
    first = start(port, rank=0)
    assert first.stdout is not None and first.stdout.readline() == "there\n"
    other = start(port, rank=1)
    assert other.stdout is not None and other.stdout.readline() == "there\n"
    first.kill()
    first.wait()
    # It waits a while for the first one to speak, and then speaks itself.
    assert other.wait(timeout=50) == 1


def test_a_process_that_starts_late_hears_why_the_first_one_ended():
    port = free_port()
    late = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(port), "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    place = Place(0, 2, 0, "localhost", port, hosted=False, start="0")
    with pytest.raises(InputError, match="there is no checkpoint"), joined(place):
        raise InputError("there is no checkpoint.")
    _, errors = late.communicate(timeout=60)
    # The first one told the user.
    assert late.returncode == 2 and "Traceback" not in errors


def test_a_first_process_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("anomaly_eval.evaluation.processes.team._CONNECTING", timedelta(seconds=1))
    place = Place(1, 2, 1, "localhost", free_port(), hosted=False, start="0")
    with pytest.raises(InputError, match="cannot reach the first one at localhost"), joined(place):
        pass
