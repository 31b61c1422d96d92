"""What one run of an ablation study depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anomaly_eval.runtime.choices import DeviceName
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import DATA_ROOT, DEVICE, MAX_SEED, Asked
from anomaly_eval.segmenters.running import IMPORTS


@dataclass(frozen=True)
class AblationRequest(TakesLoneValues):
    """All that one run depends on; options of the command line, too."""

    plan: Annotated[
        str,
        Asked(
            "Name of a shipped plan (camvid, camvid_parts, cityscapes_parts), or a plan file (.yaml).",
            is_argument=True,
        ),
    ]
    out: Annotated[Path, Asked("Folder of the study; an interrupted one is gone on with.")]
    data_root: Annotated[Path | None, DATA_ROOT] = None
    init_from: Annotated[
        Path | None, Asked("Start all trainings from the weights of a checkpoint or shipped network.")
    ] = None
    seed: Annotated[int, Asked("Seed of everything random.", min=0, max=MAX_SEED)] = 0
    iterations: Annotated[int | None, Asked("Length of each training. Default: the plan's.", min=1)] = None
    only: Annotated[Sequence[str], Asked("Rows of the plan, by name. Default: all.")] = ()
    device: Annotated[DeviceName, DEVICE] = "auto"
    imports: Annotated[Sequence[str], IMPORTS] = ()
    overwrite: Annotated[bool, Asked("Start anew, and delete what --out holds.")] = False
    command: Sequence[str] = ()
