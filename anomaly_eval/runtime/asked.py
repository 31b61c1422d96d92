"""How a field of a request is asked for on the command line, said where the field is declared."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Asked:
    """The option of a field: `Annotated[int, Asked("How many.", flag="--count", min=1)]`."""

    help: str
    flag: str | None = None
    """None is the field's name."""
    min: float | None = None
    max: float | None = None

    def flag_of(self, field: str) -> str:
        """Return the option as users write it."""
        return self.flag or f"--{field.replace('_', '-')}"
