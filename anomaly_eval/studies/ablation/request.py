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
            "Name of a shipped plan (paper_table1 to paper_table5, camvid, camvid_parts, cityscapes_parts), or a plan "
            "file (.yaml).",
            is_argument=True,
            names="files",
        ),
    ]
    out: Annotated[
        Path | None, Asked("Folder of the study; an interrupted one is gone on with. Default: ablation/PLAN.")
    ] = None
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
    dry_run: Annotated[bool, Asked("Only say what would be done, how long it took so far, and what is missing.")] = (
        False
    )
    command: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return self.out or Path("ablation", Path(self.plan).stem)
