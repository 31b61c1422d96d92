"""Wall time by what it was spent on."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up wall seconds under names; sections of one thread do not nest.

    Several threads may be at work at once, so that the sections may add up to more than the whole time.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.started = time.perf_counter()
        self._thread, self._adding = threading.get_ident(), threading.Lock()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time of a `with` block under `name`, waiting for the GPU where this thread makes it work."""
        start = time.perf_counter()
        try:
            yield
            # Other threads would wait for, and count, what the network of this one does.
            if threading.get_ident() == self._thread:
                _wait_for_gpu()
        finally:
            spent = time.perf_counter() - start
            with self._adding:
                self.seconds[name] += spent

    @property
    def total(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self.started


def _wait_for_gpu() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process in megabytes, NaN where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
