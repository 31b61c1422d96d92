"""What one run of `gmmseg-anomaly grid` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.runtime.choices import ProtocolChoice
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import DATA_ROOT, Asked
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINTS, CONFIGS, NAMES, Running

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest


@dataclass(frozen=True)
class GridRequest(TakesLoneValues):
    """All that one run of `gmmseg-anomaly grid` depends on; options of the command line, too."""

    checkpoints: Annotated[Sequence[Path], CHECKPOINTS]
    dataset: Annotated[str, Asked("An anomaly dataset for score maps, a closed-set one for classes.", names="files")]
    out: Annotated[Path, Asked("The figure: .pdf, .png and .json are added.")] = Path("grid")
    """They are put in the place of its suffix, if it is one of them, or else behind it."""
    names: Annotated[Sequence[str], NAMES] = ()
    configs: Annotated[Sequence[str], CONFIGS] = ()
    data_root: Annotated[Path | None, DATA_ROOT] = None
    scores: Annotated[
        Sequence[str] | None, Asked("Scores to draw. Default: all that need no further file, but for smoothed ones.")
    ] = None
    statistics: Annotated[
        Sequence[Path], Asked("Statistics written by `gmmseg-anomaly fit`, in any order.", "--stats")
    ] = ()
    images: Annotated[Sequence[str] | None, Asked("Ids of the images to draw.")] = None
    """None chooses some."""
    choose: Annotated[Sequence[str] | None, Asked("Or which to choose: best, median, worst. Default: all three.")] = (
        None
    )
    count: Annotated[int, Asked("Images of each choice.", min=1)] = 1
    measure: Annotated[
        str | None, Asked("What ranks images: auroc, ap or fpr95; miou or accuracy. Default: the first of each.")
    ] = None
    protocol: Annotated[ProtocolChoice | None, Asked("Test settings for closed-set datasets. Default: card.")] = None
    """Whose test settings closed-set datasets are run with; None is the card's."""
    outline: Annotated[
        bool, Asked("Leave out the outline of the label on score maps.", "--no-outline", negated=True)
    ] = True
    running: Running = AS_USUAL
    overwrite: Annotated[bool, Asked("Replace earlier files.")] = False
    command: Sequence[str] = ()

    @property
    def networks(self) -> list[NetworkRequest]:
        """The networks to show; raises InputError where there are configs, but not one for each."""
        return self.running.networks(self.checkpoints, self.configs)
