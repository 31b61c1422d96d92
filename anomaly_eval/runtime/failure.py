"""Why a command failed, handed to the command that started it as a value rather than as a line of its log."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FAILURE_FILE = "GMMSEG_ANOMALY_FAILURE_FILE"
"""The variable of the environment that names the file for the reason."""


def tell_starter(reason: str) -> None:
    """Hand a reason to the command that started this one, if any did."""
    with suppress(KeyError, OSError):
        Path(os.environ[FAILURE_FILE]).write_text(reason, encoding="utf-8", errors="replace")
