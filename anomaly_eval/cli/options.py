"""What several commands share: options, and how a line is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from anomaly_eval.runtime.choices import DeviceName, LauncherName

MAX_SEED = 2**32 - 1

LauncherOption = Annotated[LauncherName, typer.Option("--launcher", help="What started several processes.")]
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
Resize = Annotated[
    str | None,
    typer.Option(
        help="Resize images for the network: 0.5x, 512 (short side), 1024x512. Default: native, or a shipped one's own."
    ),
]
DeviceOption = Annotated[DeviceName, typer.Option(help="Where the network runs.")]
WindowBatch = Annotated[int, typer.Option(min=1, help="Sliding windows that run at once.")]


def say(text: str) -> None:
    """Print one line as it is: names of files and classes are no markup."""
    Console().print(text, highlight=False, soft_wrap=True, markup=False)
