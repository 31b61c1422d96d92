"""What one run of `gmmseg-anomaly train` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from gmmseg.asked import LAUNCHER, MAX_SEED, Asked, LauncherName


@dataclass(frozen=True)
class TrainingRequest:
    """All that one training depends on; options of the command line, too."""

    config: Annotated[
        str, Asked("Name of a shipped config, a .py file (it is executed), or mmseg::NAME.", is_argument=True)
    ]
    out: Annotated[Path | None, Asked("Work dir. Default: work_dirs/ and the config's name.")] = None
    data_root: Annotated[Path | None, Asked("Folder with the datasets, in the place of data/ in the config.")] = None
    resume: Annotated[bool, Asked("Go on exactly where --out was interrupted.")] = False
    overwrite: Annotated[bool, Asked("Replace an earlier training in --out.")] = False
    init_from: Annotated[
        Path | None, Asked("Start from the weights of a checkpoint, or of a shipped network, that fit the network.")
    ] = None
    options: Annotated[
        Sequence[str], Asked("Settings of the config to replace: dotted.name=value, one or more.", "--cfg-options")
    ] = ()
    seed: Annotated[
        int | None, Asked("Seed of everything random. Default: the config's, else 0.", min=0, max=MAX_SEED)
    ] = None
    """None is the checkpoint's when resuming, else the config's, else 0."""
    launcher: Annotated[LauncherName, LAUNCHER] = "none"
