"""How a field of a request is asked for on the command line, said where the field is declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

LauncherName = Literal["none", "pytorch", "slurm"]
"""What started several processes."""

MAX_SEED = 2**32 - 1


def flag(name: str) -> str:
    """Write the name of an option as the command line does."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Asked:
    """The option of a field: `Annotated[int, Asked("How many.", flag="--count", min=1)]`; others are not asked for."""

    help: str
    flag: str | None = None
    """None is the field's name."""
    min: float | None = None
    max: float | None = None
    is_argument: bool = False
    """Whether it is a word of its own, without an option before it."""
    negated: bool = False
    """Whether the flag switches off what the field switches on."""
    alone: str | None = None
    """What the option means without a value; None where it needs one."""
    read: Callable[[str], Any] | None = None
    """What makes the value of a word, and of the default as a word, where the type does not tell how to read it."""

    names: Literal["files", "folders"] | None = None
    """What its words may name that is read: files, beside what ships, or folders; None where a `Path` names either."""

    def flag_of(self, field: str) -> str:
        """Return the option as users write it."""
        return self.flag or flag(field)

    def value_of(self, word: Any) -> Any:
        """Return the value of the field from what the parser read."""
        if self.negated:
            return not word
        return word if self.read is None else self.read(word)


LAUNCHER = Asked("What started several processes.")
