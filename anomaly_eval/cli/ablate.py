"""The command `ablate`: a whole ablation study, from its plan to its table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from anomaly_eval.cli.options import DataRoot, DeviceOption, say
from anomaly_eval.runtime.asked import MAX_SEED


def ablate(
    context: typer.Context,
    plan: Annotated[
        str,
        typer.Argument(help="Name of a shipped plan (camvid, camvid_parts, cityscapes_parts), or a plan file (.yaml)."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the study; an interrupted one is gone on with.")],
    data_root: DataRoot = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Start all trainings from the weights of a checkpoint or shipped network.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of everything random.")] = 0,
    iterations: Annotated[int | None, typer.Option(min=1, help="Length of each training. Default: the plan's.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Rows of the plan, by name. Default: all.")] = None,
    device: DeviceOption = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew, and delete what --out holds.")] = False,
) -> None:
    """Run an ablation study: train and refit the networks of a plan, evaluate them, and write one table."""
    from anomaly_eval.reports.terminal import print_comparison
    from anomaly_eval.segmenters.zoo import checkpoint_file
    from anomaly_eval.studies.ablation.run import AblationRequest, run_ablation

    request = AblationRequest(
        plan=plan,
        out=out,
        data_root=data_root,
        init_from=None if init_from is None else checkpoint_file(init_from, "--init-from"),
        seed=seed,
        iterations=iterations,
        only=only or (),
        device=device,
        overwrite=overwrite,
        command=context.obj,
    )
    print_comparison(Console(), run_ablation(request, Console(stderr=True)))
    say(f"Study: {out}")
