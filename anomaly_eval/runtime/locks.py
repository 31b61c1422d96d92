"""Locks on files and folders that the system lets go of when their process ends, however it ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_BUSY = {errno.EACCES, errno.EAGAIN}


class BusyError(Exception):
    """Another process, or this one, holds the lock already."""


def try_lock(path: Path) -> int | None:
    """Lock a file or folder that exists, and return the descriptor to close in the end.

    None where the system or the file system knows no such locks. Raises BusyError where somebody holds it, and OSError
    where it cannot be opened.
    """
    try:
        import fcntl
    except ImportError:
        return None
    # A network file system locks only what was opened for writing, which a folder cannot be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _BUSY:
            raise BusyError(str(path)) from error
        return None
    if _is_still(descriptor, path):
        return descriptor
    # Whoever held it has deleted it meanwhile.
    os.close(descriptor)
    raise BusyError(str(path))


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to what was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
