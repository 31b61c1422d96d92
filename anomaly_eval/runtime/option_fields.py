"""How a field of a request is asked for on the command line, said where the field is declared."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SEED = 2**32 - 1


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

    def flag_of(self, field: str) -> str:
        """Return the option as users write it."""
        return self.flag or f"--{field.replace('_', '-')}"


DATA_ROOT = Asked("Folder with the datasets. Default: $GMMSEG_ANOMALY_DATA, else ./datasets.")
DEVICE = Asked("Where the network runs.")
JOURNAL = Asked("Keep nothing from which an interrupted run could go on.", "--no-journal", negated=True)
LAUNCHER = Asked("What started several processes.")
