"""What one measurement of speed depends on; importing this loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINTS, CONFIGS, NAMES, Running
from gmmseg.asked import Asked

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest

CITYSCAPES = (1024, 2048)
"""(height, width) of the images where nobody asks for others."""
_LARGEST = 16_384


@dataclass(frozen=True)
class SpeedRequest(TakesLoneValues):
    """All that one measurement depends on; options of the command line, too."""

    checkpoints: Annotated[Sequence[Path], CHECKPOINTS]
    out: Annotated[Path, Asked("Folder for the tables.")] = Path("speed")
    names: Annotated[Sequence[str], NAMES] = ()
    configs: Annotated[Sequence[str], CONFIGS] = ()
    size: Annotated[
        str | None,
        Asked(
            "HEIGHTxWIDTH of images, which enter the networks as they are. Default: images of 1024x2048, which each "
            "network resizes as it always does."
        ),
    ] = None
    runs: Annotated[int, Asked("Timed runs of each network, in turn.", min=1, max=100_000)] = 30
    warm_up: Annotated[int, Asked("Runs before those, which are not timed.", min=0, max=10_000)] = 3
    threads: Annotated[int | None, Asked("Threads on a CPU. Default: PyTorch's.", min=1, max=4096)] = None
    running: Running = AS_USUAL
    overwrite: Annotated[bool, Asked("Replace an earlier measurement in --out.")] = False
    command: Sequence[str] = ()

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the images; raises InputError for a size that is none."""
        if self.size is None:
            return CITYSCAPES
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.size.strip())
        height, width = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (1 <= height <= _LARGEST and 1 <= width <= _LARGEST):
            raise InputError(
                f"--size {self.size!r} is not understood; give HEIGHTxWIDTH in pixels, such as 1024x2048, up to "
                f"{_LARGEST}x{_LARGEST}."
            )
        return height, width

    @property
    def networks(self) -> list[NetworkRequest]:
        """The networks to run; raises InputError for two sizes, and where there are configs, but not one for each."""
        running = self.running
        if self.size is not None:
            if running.resize is not None:
                raise InputError("--size is what enters the networks; leave --resize out, or --size.")
            height, width = self.image_size
            running = replace(running, resize=f"{width}x{height}")
        return running.networks(self.checkpoints, self.configs)
