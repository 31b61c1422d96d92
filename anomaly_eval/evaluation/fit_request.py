"""What one run of `gmmseg-anomaly fit` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import DATA_ROOT, JOURNAL, LAUNCHER, Asked, LauncherName
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINT, CONFIG, MODEL, Running

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest


@dataclass(frozen=True)
class FitRequest(TakesLoneValues):
    """All that one run of `gmmseg-anomaly fit` depends on; options of the command line, too."""

    checkpoint: Annotated[Path | None, CHECKPOINT] = field(default=None, kw_only=True)
    model: Annotated[str | None, MODEL] = field(default=None, kw_only=True)
    dataset: Annotated[str, Asked("A closed-set dataset, as the network was trained on.", names="files")]
    out: Annotated[Path, Asked("The statistics file to write (.safetensors).")]
    data_root: Annotated[Path | None, DATA_ROOT] = None
    config: Annotated[str | None, CONFIG] = None
    scores: Annotated[Sequence[str] | None, Asked("Scores to fit. Default: all usual ones that learn.")] = None
    running: Running = AS_USUAL
    journal: Annotated[bool, JOURNAL] = True
    """Whether what is added up is kept until the end, so that an interrupted run goes on from it."""
    launcher: Annotated[LauncherName, LAUNCHER] = "none"
    overwrite: Annotated[bool, Asked("Replace an existing file, and an interrupted run of others.")] = False

    @property
    def network(self) -> NetworkRequest:
        """The network whose outputs the scores learn from."""
        return self.running.network(self.checkpoint, self.config, self.model)
