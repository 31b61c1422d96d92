"""The commands `gmmseg-anomaly datasets …`."""

from __future__ import annotations

from typing import Annotated

import typer

from anomaly_eval.cli.app import App
from anomaly_eval.cli.options import DataRoot, say
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.console import open_console
from anomaly_eval.synthetic_streets.request import StreetsRequest

datasets_app = App("List the datasets and what is found of them; say how to get one; check one in detail; draw one.")


@datasets_app.callback(invoke_without_command=True)
def list_datasets(context: typer.Context, data_root: DataRoot = None) -> None:
    """List every dataset with what is found of it under the data root."""
    if context.invoked_subcommand is None:
        from anomaly_eval.cli.dataset_listing import print_datasets

        print_datasets(open_console(), data_root)


@datasets_app.command(name="check")
def check_dataset(
    name: Annotated[str, typer.Argument(help="Name, NAME:VARIANT, or card file.")], data_root: DataRoot = None
) -> None:
    """Verify counts, pairs, sizes, label values and the share of anomaly pixels; name each file that is wrong."""
    from anomaly_eval.cli.dataset_listing import print_check

    if not print_check(open_console(), open_console(stderr=True), name, data_root):
        raise typer.Exit(2)


@datasets_app.command(name="get")
def get_dataset(
    name: Annotated[str, typer.Argument(help="Name, NAME:VARIANT, or card file.")], data_root: DataRoot = None
) -> None:
    """Say step by step how to get a dataset and where to put it, and check what is there; downloads nothing."""
    from anomaly_eval.cli.dataset_steps import print_steps

    if not print_steps(open_console(), open_console(stderr=True), name, data_root):
        raise typer.Exit(2)


@datasets_app.command(name="make")
def make_dataset(
    name: Annotated[str, typer.Argument(help="What to draw: synthetic_streets, the only one so far.")],
    request: StreetsRequest,
) -> None:
    """Draw a data set, for trying everything without downloads; its numbers say nothing about real images."""
    from anomaly_eval.synthetic_streets.writing import CLASSES_NAME, NAME, write_streets

    if name != NAME:
        raise InputError(f"{name!r} cannot be drawn; the only data set that can is {NAME}.")
    write_streets(request, open_console(stderr=True))
    known = f"{request.train} + {request.val} of {CLASSES_NAME} (train + val)"
    say(f"{request.test} images of {NAME}, {known}: {request.out}")
