"""The terminal that commands write to."""

from __future__ import annotations

from rich.console import Console


def open_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints names as they are: `maps:a:b` is a folder with a key, and no emoji."""
    return Console(stderr=stderr, quiet=quiet, emoji=False)
