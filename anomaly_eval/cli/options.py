"""What several commands share: options, the words that options choose from, and how a line is printed."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

MAX_SEED = 2**32 - 1


class Device(str, Enum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class ProtocolName(str, Enum):
    """Whose test settings closed-set datasets are evaluated with."""

    card = "card"
    network = "network"


class Fpr95(str, Enum):
    """How FPR95 is read off the curve."""

    first_geq = "first_geq"
    first_gt = "first_gt"
    interpolated = "interpolated"
    nearest = "nearest"


class Components(str, Enum):
    """Whose component sizes count."""

    card = "card"
    anomaly = "anomaly"
    obstacle = "obstacle"


class ScorePrecision(str, Enum):
    """What saved score maps are rounded to."""

    float32 = "float32"
    float16 = "float16"


class CovarianceName(str, Enum):
    """What is kept of the covariance of a Gaussian."""

    diagonal = "diagonal"
    full = "full"


class FeaturesName(str, Enum):
    """What mixtures are fitted to."""

    input = "input"
    projection = "projection"
    embedding = "embedding"


class Launcher(str, Enum):
    """What started several processes."""

    none = "none"
    pytorch = "pytorch"
    slurm = "slurm"


LauncherOption = Annotated[Launcher, typer.Option("--launcher", help="What started several processes.")]
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
DeviceOption = Annotated[Device, typer.Option(help="Where the network runs.")]
WindowBatch = Annotated[int, typer.Option(min=1, help="Sliding windows that run at once.")]


def say(text: str) -> None:
    """Print one line as it is: names of files and classes are no markup."""
    Console().print(text, highlight=False, soft_wrap=True, markup=False)
