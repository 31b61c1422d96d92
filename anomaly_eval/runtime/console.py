"""The terminal that commands write to."""

from __future__ import annotations

import os

from rich.console import Console

UNWRAPPED = 10_000
"""Width in characters of what is no terminal: files and pipes have no edge, and `grep` looks for whole names."""


def open_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints names as they are: `maps:a:b` is a folder with a key, and no emoji.

    Off a terminal nothing is wrapped, unless the user gives a width in COLUMNS.
    """
    console = Console(stderr=stderr, quiet=quiet, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = UNWRAPPED
    return console
