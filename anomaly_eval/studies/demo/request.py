"""What the demo depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anomaly_eval.runtime.option_fields import MAX_SEED, Asked


@dataclass(frozen=True)
class DemoRequest:
    """All that the demo depends on; options of the command line, too."""

    out: Annotated[Path, Asked("A new folder for data, networks, tables, pictures and a summary page.")] = Path("demo")
    minutes: Annotated[float, Asked("About how long, on two cores; more trains better networks.")] = 8
    quick: Annotated[bool, Asked("In about a minute, with networks that have learnt little.")] = False
    seed: Annotated[int, Asked("Seed of the scenes and of both trainings.", min=0, max=MAX_SEED)] = 0
    overwrite: Annotated[bool, Asked("Replace an earlier demo in --out.")] = False
    command: Sequence[str] = ()
