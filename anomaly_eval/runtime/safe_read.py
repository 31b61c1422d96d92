"""Reading a whole file that may be anything: never waiting for a pipe, never reading a device without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, at_most: int) -> bytes:
    """Return the content of a regular file of at most so many bytes; links are followed.

    Raises OSError, whose `strerror` says why, for everything else: a missing or unreadable file, a folder, a pipe, a
    device, a link that leads nowhere, and a file that is longer.
    """
    # Opening a pipe would wait for someone to write into it, unless told not to.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device rather than a file", str(path))
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise OSError(errno.EFBIG, f"it is larger than {at_most:,} bytes", str(path))
    return content
