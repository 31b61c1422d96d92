"""The processes of one evaluation: each tells the others that it lives, what it took, and why it failed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import torch
from rich.console import Console
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.processes.launching import Place, find_place
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.option_fields import LauncherName

BEAT, PATIENCE, GRACE = 1.0, 30.0, 15.0
"""Seconds between signs of life, without one until a process counts as dead, and from then until a process that does
not notice is ended."""
_CONNECTING = timedelta(seconds=60)
_POLL = 0.1
_TOLD, _HEARD = 10.0, 20.0


class FailedElsewhereError(InputError):
    """Another process failed; the message is its reason."""


class Team:
    """This process among the others. `joined` makes one.

    All that they say goes through a store of torch, which is at the first process or at the launcher.
    """

    def __init__(self, rank: int, size: int, store: Store, *, beat: float = BEAT, patience: float = PATIENCE) -> None:
        """Begin to show signs of life every `beat` seconds, and to watch those of the others."""
        self.rank, self.size, self._store = rank, size, store
        self._beat, self._patience = beat, patience
        self._failure: str | None = None
        self._left = threading.Event()
        # All hear of a failure from the first process, so that signs of life do not grow with the square of the size.
        self._watched = [other for other in range(size) if other != rank] if rank == 0 else [0]
        self._ended: set[int] = set()
        self._dead: set[int] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def first(self) -> bool:
        """Whether this is the process that collects the results and speaks to the user."""
        return self.rank == 0

    @property
    def others_ended(self) -> bool:
        """Whether all processes that this one watches have done their part."""
        return len(self._ended) == len(self._watched)

    def check(self) -> None:
        """Raise FailedElsewhereError where another process failed or died."""
        if self._failure is not None:
            raise FailedElsewhereError(self._failure)

    def claims(self, what: str, count: int) -> Iterator[int]:
        """Yield numbers below `count` that no other process gets; the first to ask is the first to get one."""
        while (number := self._store.add(f"claims/{what}", 1) - 1) < count:
            yield number

    def say(self, key: str, value: str) -> None:
        """Tell all others something, once."""
        self._store.set(f"said/{key}", value)

    def hear(self, key: str) -> str:
        """Return what another process says, as soon as it does; raises as `check` does."""
        while not self._store.check([f"said/{key}"]):
            self.check()
            time.sleep(_POLL)
        return str(self._store.get(f"said/{key}").decode())

    def wait_for_others(self) -> None:
        """Return when all others have done their part; raises as `check` does."""
        while not self.others_ended:
            self.check()
            time.sleep(_POLL)

    def end(self, reason: str = "") -> None:
        """Say that this process has done its part, or, with a reason, that it failed."""
        self._left.set()
        # Where the store is gone the others have ended, and nobody listens.
        with suppress(RuntimeError):
            self._store.set(f"ended/{self.rank}", reason)

    def told(self) -> bool:
        """Wait a while for the first process to tell the user why the run ends, and return whether it does."""
        deadline = time.monotonic() + _TOLD
        with suppress(RuntimeError):
            while time.monotonic() < deadline:
                if self._store.check(["ended/0"]):
                    # A launcher may end the first process as soon as this one is gone, so it gets time to speak.
                    time.sleep(1)
                    return True
                time.sleep(_POLL)
        return False

    def heard(self) -> None:
        """Wait a while, as the first process, until the others know why it ends; those that still start ask its store.

        Without it they would go on calling, and take it for a fault of the network.
        """
        deadline = time.monotonic() + _HEARD
        others = [f"ended/{other}" for other in self._watched if other not in self._dead]
        with suppress(RuntimeError):
            while not all(self._store.check([key]) for key in others) and time.monotonic() < deadline:
                time.sleep(_POLL)

    def _watch(self) -> None:
        """Show signs of life and look for those of the others, until this process has done its part."""
        seen: dict[int, tuple[bytes, float]] = {other: (b"", time.monotonic()) for other in self._watched}
        count, failed = 0, 0.0
        while not self._left.wait(self._beat):
            count += 1
            try:
                self._store.set(f"beat/{self.rank}", str(count))
                if self._failure is None:
                    self._failure = self._look(seen)
                    failed = time.monotonic()
            except RuntimeError:
                self._failure = self._failure or _without_a_word(0, self.size)
                failed = failed or time.monotonic()
            if self._failure is not None and time.monotonic() - failed > GRACE and not self._left.is_set():
                # The main thread is in a call that does not come back to Python.
                print(f"error: {self._failure}", file=sys.stderr, flush=True)
                os._exit(2)

    def _look(self, seen: dict[int, tuple[bytes, float]]) -> str | None:
        """Return the reason of another process that failed, or that one is dead; None where all is well."""
        for other in self._watched:
            if other in self._ended:
                continue
            if self._store.check([f"ended/{other}"]):
                reason = self._store.get(f"ended/{other}").decode()
                if reason:
                    return str(reason) if other == 0 else f"process {other + 1} of {self.size}: {reason}"
                self._ended.add(other)
                continue
            beat = self._store.get(f"beat/{other}") if self._store.check([f"beat/{other}"]) else b""
            before, since = seen[other]
            if beat != before:
                seen[other] = beat, time.monotonic()
            # Imports take their time, so that the first sign of life may come late.
            elif time.monotonic() - since > self._patience * (1 if before else 2):
                self._dead.add(other)
                return _without_a_word(other, self.size)
        return None


@contextmanager
def joined(place: Place) -> Iterator[Team]:
    """Join the other processes while the context lasts, and take one of the machine's GPUs where there are any.

    What ends this process ends the others, with the same reason. Raises InputError where the first one cannot be
    reached; what the block raises where this is the one to tell it; and SystemExit where another process tells it.
    """
    holds_store = place.rank == 0 and not place.hosted
    try:
        store = TCPStore(
            place.host,
            place.port,
            is_master=holds_store,
            wait_for_workers=False,
            timeout=_CONNECTING,
        )
    except RuntimeError as error:
        raise InputError(
            f"process {place.rank + 1} of {place.size} cannot reach the first one at {place.host}, port {place.port}; "
            f"set MASTER_ADDR and MASTER_PORT."
        ) from error
    if torch.cuda.is_available():
        # SLURM may show each process a single GPU.
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    team = Team(place.rank, place.size, PrefixStore(f"gmmseg_anomaly/{place.start}", store))
    try:
        yield team
    except FailedElsewhereError as error:
        team.end(str(error))
        if holds_store:
            team.heard()
        if team.first or not team.told():
            raise
        raise SystemExit(2) from error
    except Exception as error:
        team.end(str(error) or type(error).__name__)
        if holds_store:
            team.heard()
        # Bugs show their trace wherever they are.
        if team.first or not isinstance(error, InputError) or not team.told():
            raise
        raise SystemExit(2) from error
    except BaseException:
        team.end("it was told to end" if team.rank else "the first process was told to end.")
        raise
    team.end()


def wait_for_others(team: Team, console: Console) -> None:
    """Wait until no other process reads what this one has finished with; one that fails now has done its part."""
    try:
        team.wait_for_others()
    except FailedElsewhereError as error:
        warn(console, f"the results are complete, but {error}")


_First = TypeVar("_First")


def as_one_of(
    launcher: LauncherName, first: Callable[[Team | None], _First], other: Callable[[Team], None]
) -> _First | None:
    """Do the part of this process: that of the first one, which is the only one without a launcher, or of another.

    Returns what the first one does, None in the others; raises InputError where launcher and surroundings do not fit.
    """
    place = find_place(launcher)
    if place is None:
        return first(None)
    with joined(place) as team:
        if team.first:
            return first(team)
        other(team)
        return None


def _without_a_word(rank: int, size: int) -> str:
    return (
        f"process {rank + 1} of {size} ended without a word; see its output, often its machine ran out of memory, and "
        f"start the same command again to go on."
    )
