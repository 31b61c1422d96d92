"""What one calibration depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import DATA_ROOT, MAX_SEED, Asked
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINTS, CONFIGS, MODEL, NAMES, Running

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest


@dataclass(frozen=True)
class CalibrationRequest(TakesLoneValues):
    """All that one calibration depends on; options of the command line, too."""

    checkpoints: Annotated[Sequence[Path], CHECKPOINTS] = field(default=(), kw_only=True)
    model: Annotated[str | None, MODEL] = field(default=None, kw_only=True)
    dataset: Annotated[str, Asked("A closed-set dataset with the networks' classes.", names="files")]
    out: Annotated[Path, Asked("Folder for tables and diagrams.")] = Path("calibration")
    names: Annotated[Sequence[str], NAMES] = ()
    configs: Annotated[Sequence[str], CONFIGS] = ()
    data_root: Annotated[Path | None, DATA_ROOT] = None
    bins: Annotated[int, Asked("Bins of confidence.", min=1, max=1000)] = 15
    equal_mass: Annotated[bool, Asked("Also draw diagrams with as many pixels in each bin.")] = False
    class_wise: Annotated[bool, Asked("Also draw a diagram for each class.")] = False
    temperature_dataset: Annotated[
        str | None,
        Asked("A held-out split: also measure with a temperature fitted on it.", "--temperature-on", names="files"),
    ] = None
    seed: Annotated[int, Asked("Seed of the pixels that a temperature is fitted on.", min=0, max=MAX_SEED)] = 0
    running: Running = AS_USUAL
    overwrite: Annotated[bool, Asked("Replace an earlier calibration in --out.")] = False
    command: Sequence[str] = ()

    @property
    def networks(self) -> list[NetworkRequest]:
        """The networks to calibrate; raises InputError where there are configs, but not one for each.

        A `model` is a single one, which takes no config, and at most one checkpoint.
        """
        if self.model is not None:
            if len(self.checkpoints) > 1 or self.configs:
                raise InputError(
                    "--model is one network, with one --ckpt at most and without --config; give several as --ckpt "
                    "FILE.py:FUNCTION ...."
                )
            return [self.running.network(next(iter(self.checkpoints), None), None, self.model)]
        if not self.checkpoints:
            raise InputError("there is no network; give --ckpt, or --model FILE.py:FUNCTION.")
        return self.running.networks(self.checkpoints, self.configs)
