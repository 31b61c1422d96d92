"""Waiting for a file that another process wrote on a disk that both see."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from anomaly_eval.errors import InputError

_SHARED_AFTER, _POLL = 15.0, 0.1
"""Seconds after which a file that another process wrote must be seen on a shared disk."""


def wait_for(there: Callable[[], bool]) -> bool:
    """Wait until something is to be seen, and return whether it is; a shared disk may take a moment."""
    deadline = time.monotonic() + _SHARED_AFTER
    while not there():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def not_shared(journal: Path) -> InputError:
    """Say that what the first process wrote is not to be seen."""
    return InputError(
        f"it does not see the journal {journal} of the first process; all processes need the same --out, on a disk "
        f"that they share."
    )
