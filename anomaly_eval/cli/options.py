"""What several commands share: options, and how a line is printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from anomaly_eval.runtime.asked import Asked
from anomaly_eval.runtime.choices import DeviceName, LauncherName

if TYPE_CHECKING:
    from anomaly_eval.segmenters.load import NetworkRequest


LauncherOption = Annotated[LauncherName, typer.Option("--launcher", help="What started several processes.")]
DeviceOption = Annotated[DeviceName, typer.Option(help="Where the network runs.")]
NoJournal = Annotated[
    bool, typer.Option("--no-journal", help="Keep nothing from which an interrupted run could go on.")
]
CHECKPOINT = "A network: a checkpoint, or the name of a shipped one (`gmmseg-anomaly networks` lists what can be given)"
Checkpoint = Annotated[Path, typer.Option("--ckpt", help=f"{CHECKPOINT}.")]
Config = Annotated[
    str | None,
    typer.Option(
        help="Config: a shipped name, a .py file, mmseg::NAME. Default: that inside the checkpoint, never executed."
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder with the datasets. Default: $GMMSEG_ANOMALY_DATA, else ./datasets."),
]


@dataclass(frozen=True)
class Running:
    """How a network is run."""

    resize: Annotated[
        str | None,
        Asked(
            "Resize images for the network: 0.5x, 512 (short side), 1024x512. Default: native, or a shipped one's own."
        ),
    ] = None
    device: Annotated[DeviceName, Asked("Where the network runs.")] = "auto"
    window_batch: Annotated[int, Asked("Sliding windows that run at once.", min=1)] = 4

    def network(self, checkpoint: Path, config: str | None) -> NetworkRequest:
        """Return a network that is run so."""
        from anomaly_eval.segmenters.load import NetworkRequest

        return NetworkRequest(checkpoint, config, self.device, self.resize, self.window_batch)


AS_USUAL = Running()


def say(text: str) -> None:
    """Print one line as it is: names of files and classes are no markup."""
    Console().print(text, highlight=False, soft_wrap=True, markup=False)
