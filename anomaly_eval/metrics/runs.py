"""Scores pooled over images: in memory up to a limit, then as sorted runs in temporary files."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]

_SORTED_ALONE = 1 << 20
"""Below this many values, starting threads takes longer than they save."""


@dataclass(frozen=True)
class Run:
    """Ascending scores (n,), in memory or mapped from a file that is gone when the run is."""

    values: Scores
    mapping: mmap.mmap | None = None

    def release(self) -> None:
        """Let go of the pages read so far; they are read again when they are needed."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)

    def __reduce__(self) -> tuple[type[Run], tuple[Scores]]:
        # Another process has no such file: there the scores are in memory.
        return Run, (np.array(self.values),)


class ScorePool:
    """Scores in the order in which they come; sorted, and beyond the memory limit written to disk, run by run."""

    def __init__(self, memory_limit: int | None = None) -> None:
        """Keep up to `memory_limit` bytes of scores in memory, None being all of them."""
        self._limit = memory_limit
        self._buffer: Scores = np.empty(0, np.float32)
        self._length = 0
        self._sorted = False
        self._on_disk: list[Run] = []

    def __len__(self) -> int:
        return self._length + sum(len(run.values) for run in self._on_disk)

    def extend(self, values: Scores) -> None:
        """Append scores (n,), float32 or float64; a wider type widens those in memory.

        Raises OSError where the temporary folder of the system cannot take what does not fit into memory.
        """
        kind = np.result_type(self._buffer, values)
        room = self._room(len(values), kind)
        if self._limit is not None and self._length and self._length + len(values) > room:
            self._spill()
        self._reserve(max(room, len(values)), kind)
        self._buffer[self._length : self._length + len(values)] = values
        self._length += len(values)
        self._sorted = False

    def merge(self, other: ScorePool) -> None:
        """Append the scores of another pool, which stays as it is."""
        # A list of its own, as a pool may be merged with itself.
        on_disk = list(other._on_disk)
        self.extend(other.values())
        self._on_disk += on_disk

    def sorted_runs(self, workers: int, threads: Executor | None = None) -> list[Run]:
        """Return all scores as ascending runs; those in memory are sorted in place, as their order means nothing."""
        memory = self.values()
        if not self._sorted:
            sort_in_place(memory, workers, threads)
            self._sorted = True
        return [*self._on_disk, Run(memory)] if self._length else list(self._on_disk)

    def values(self) -> Scores:
        """Return the scores in memory, a view (n,): all of them where there is no limit."""
        return self._buffer[: self._length]

    def __getstate__(self) -> dict[str, Any]:
        # What is reserved and not used would be written as well.
        return self.__dict__ | {"_buffer": self.values().copy()}

    def _room(self, wanted: int, kind: np.dtype[np.floating]) -> int:
        """Return how many values the buffer should hold."""
        if self._limit is not None:
            return max(1, self._limit // kind.itemsize)
        length = self._length + wanted
        return len(self._buffer) if length <= len(self._buffer) else max(length, 2 * self._length)

    def _reserve(self, room: int, kind: np.dtype[np.floating]) -> None:
        """Make the buffer one of `room` values; what is never written to costs no memory."""
        if room > len(self._buffer) or kind != self._buffer.dtype:
            grown = np.empty(room, kind)
            grown[: self._length] = self._buffer[: self._length]
            self._buffer = grown

    def _spill(self) -> None:
        """Write the scores in memory to a file without a name, as a run."""
        memory = self.values()
        sort_in_place(memory, os.cpu_count() or 1)
        try:
            with tempfile.TemporaryFile() as file:
                file.write(memory.data)
                file.flush()
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            place, reason = tempfile.gettempdir(), error.strerror or error
            remedy = "raise the limit of open files" if error.errno == errno.EMFILE else "set TMPDIR to another folder"
            raise OSError(
                f"scores that do not fit into memory cannot be written to {place}: {reason}; {remedy}."
            ) from error
        self._on_disk.append(Run(np.frombuffer(mapping, memory.dtype), mapping))
        self._length = 0


def sort_in_place(values: Scores, workers: int = 1, threads: Executor | None = None) -> None:
    """Sort (n,) ascending; with several workers as many parts of the range of values are sorted at once.

    `threads` may be at work on other things already; without them new ones are started.
    """
    if workers < 2 or len(values) < _SORTED_ALONE:
        values.sort()
        return
    borders = [len(values) * part // workers for part in range(1, workers)]
    values.partition(borders)
    with nullcontext(threads) if threads is not None else ThreadPoolExecutor(workers) as pool:
        list(pool.map(np.ndarray.sort, np.split(values, borders)))
