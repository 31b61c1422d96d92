"""The commands `gmmseg-anomaly datasets …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from anomaly_eval.cli.app import App
from anomaly_eval.cli.options import DataRoot, say
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.asked import MAX_SEED

MAX_SCENES = 100_000
datasets_app = App("List the datasets and what is found of them; check one in detail; draw one.")


@datasets_app.callback(invoke_without_command=True)
def list_datasets(context: typer.Context, data_root: DataRoot = None) -> None:
    """List every dataset with what is found of it under the data root."""
    if context.invoked_subcommand is None:
        from anomaly_eval.cli.dataset_listing import print_datasets

        print_datasets(Console(), data_root)


@datasets_app.command(name="check")
def check_dataset(
    name: Annotated[str, typer.Argument(help="Name, NAME:VARIANT, or card file.")], data_root: DataRoot = None
) -> None:
    """Verify counts, pairs, sizes, label values and the share of anomaly pixels; name each file that is wrong."""
    from anomaly_eval.cli.dataset_listing import print_check

    if not print_check(Console(), Console(stderr=True), name, data_root):
        raise typer.Exit(2)


@datasets_app.command(name="make")
def make_dataset(
    name: Annotated[str, typer.Argument(help="What to draw: synthetic_streets, the only one so far.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder, the --data-root of later commands.")],
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Other seeds draw other scenes.")] = 0,
    train: Annotated[int, typer.Option(min=0, max=MAX_SCENES, help="Scenes to train on, without anomalies.")] = 400,
    val: Annotated[int, typer.Option(min=0, max=MAX_SCENES, help="Scenes to validate on, without anomalies.")] = 60,
    test: Annotated[int, typer.Option(min=0, max=MAX_SCENES, help="Scenes with anomalies.")] = 100,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that draw. Default: one on each processor.")
    ] = None,
) -> None:
    """Draw a data set, for trying everything without downloads; its numbers say nothing about real images."""
    from anomaly_eval.synthetic_streets.writing import CLASSES_NAME, NAME, StreetsRequest, write_streets

    if name != NAME:
        raise InputError(f"{name!r} cannot be drawn; the only data set that can is {NAME}.")
    write_streets(StreetsRequest(out, seed, train, val, test, workers), Console(stderr=True))
    say(f"{test} images of {NAME}, {train} + {val} of {CLASSES_NAME} (train + val): {out}")
