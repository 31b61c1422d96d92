"""How many streets are drawn; importing this loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anomaly_eval.runtime.option_fields import MAX_SEED, Asked

MAX_SCENES = 100_000


@dataclass(frozen=True)
class StreetsRequest:
    """What to write: so many scenes of each split; options of the command line, too."""

    out: Annotated[Path, Asked("A new or empty folder, the --data-root of later commands.")]
    seed: Annotated[int, Asked("Other seeds draw other scenes.", min=0, max=MAX_SEED)] = 0
    train: Annotated[int, Asked("Scenes to train on, without anomalies.", min=0, max=MAX_SCENES)] = 400
    val: Annotated[int, Asked("Scenes to validate on, without anomalies.", min=0, max=MAX_SCENES)] = 60
    test: Annotated[int, Asked("Scenes with anomalies.", min=0, max=MAX_SCENES)] = 100
    workers: Annotated[int | None, Asked("Processes that draw. Default: one on each processor.", min=1, max=256)] = None
    """They are fewer for few scenes. The files do not depend on it."""
