"""What several commands share: options, and how a line is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_eval.runtime.console import open_console
from anomaly_eval.runtime.option_fields import DATA_ROOT, LAUNCHER, LauncherName
from anomaly_eval.segmenters.running import CONFIG, IMPORTS

LauncherOption = Annotated[LauncherName, typer.Option("--launcher", help=LAUNCHER.help)]
Config = Annotated[str | None, typer.Option(help=CONFIG.help)]
Imports = Annotated[list[str] | None, typer.Option("--import", help=IMPORTS.help)]
DataRoot = Annotated[Path | None, typer.Option(help=DATA_ROOT.help)]


def say(text: str) -> None:
    """Print one line as it is: names of files and classes are no markup."""
    open_console().print(text, highlight=False, soft_wrap=True, markup=False)
