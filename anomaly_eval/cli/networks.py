"""The commands `gmmseg-anomaly networks …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_eval.cli.app import App
from anomaly_eval.cli.options import Config, Imports, say
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.console import open_console

networks_app = App("List the networks that ship with the project; show one; make a file of your own one.")


@networks_app.callback(invoke_without_command=True)
def list_networks(context: typer.Context) -> None:
    """List every shipped network: data, recipe, licence, hash, and what it reached."""
    if context.invoked_subcommand is None:
        from anomaly_eval.cli.network_listing import print_networks

        print_networks(open_console())


@networks_app.command(name="show")
def show_network(name: Annotated[str, typer.Argument(help="Name of a shipped network.")]) -> None:
    """Show one network: data, recipe, licence, hash, and what it reached."""
    from anomaly_eval.cli.network_listing import print_network

    print_network(open_console(), name)


@networks_app.command(name="export")
def export_network(
    ckpt: Annotated[Path, typer.Argument(help="Checkpoint (.pth) of an mmsegmentation network.")],
    out: Annotated[Path, typer.Option(help="The file to write (.safetensors); `eval` runs it.")],
    config: Config = None,
    imports: Imports = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a network as safetensors, in half the size: kernels in float16, config and class names in the header."""
    from anomaly_eval.evaluation.fit import check_out
    from anomaly_eval.runtime.output_folder import write_atomically
    from anomaly_eval.segmenters.capabilities import Exportable
    from anomaly_eval.segmenters.load import load_segmenter
    from gmmseg.checkpoints import sha256_of_file
    from gmmseg.safetensors_files import SUFFIX

    if out.suffix != SUFFIX:
        raise InputError(f"{out} is not called {SUFFIX}, by which such files are known; choose another --out.")
    check_out(out, overwrite)
    network = load_segmenter(ckpt, config, device="cpu", imports=imports or ()).network
    if not isinstance(network, Exportable):
        raise InputError(f"{ckpt} is of a kind that is not exported; choose a checkpoint of mmsegmentation.")
    write_atomically(out, network.exported())
    say(f"{out.stat().st_size:,} bytes, sha256 {sha256_of_file(out)}")
    say(f"Network: {out}")
