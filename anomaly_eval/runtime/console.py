"""The terminal that commands write to."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.markup import escape

UNWRAPPED = 10_000
"""Width in characters of what is no terminal: files and pipes have no edge, and `grep` looks for whole names."""


class CommandConsole(Console):
    """A console that prints names as they are, `maps:a:b` is a folder with a key, and knows of what it warned."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, emoji=False)
        self.warned: list[str] = []
        if not self.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
            self.width = UNWRAPPED


def open_console(*, stderr: bool = False, quiet: bool = False) -> CommandConsole:
    """Return a console for a command; off a terminal it wraps nothing, unless the user gives a width in COLUMNS."""
    return CommandConsole(stderr=stderr, quiet=quiet)


def warn(console: Console, text: str) -> None:
    """Print a warning, which need not be told again by what goes to the same place."""
    console.print(f"[yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
    if isinstance(console, CommandConsole):
        console.warned.append(text)


def told_beside_output(console: CommandConsole) -> list[str]:
    """Return the warnings that a reader of standard output has seen: a terminal and a log show standard error, too."""
    try:
        same = os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # not every stream is a file
        same = False
    return console.warned if same else []
