"""The command `ablate`: a whole ablation study, from its plan to its table."""

from __future__ import annotations

from dataclasses import replace

import typer

from anomaly_eval.cli.options import say
from anomaly_eval.runtime.console import open_console
from anomaly_eval.studies.ablation.request import AblationRequest


def ablate(context: typer.Context, request: AblationRequest) -> None:
    """Run an ablation study: train and refit the networks of a plan, evaluate them, and write one table."""
    from anomaly_eval.reports.terminal import print_comparison
    from anomaly_eval.segmenters.zoo import checkpoint_file
    from anomaly_eval.studies.ablation.outlook import look_ahead
    from anomaly_eval.studies.ablation.outlook_text import outlook_text
    from anomaly_eval.studies.ablation.run import run_ablation

    request = replace(request, command=context.obj)
    if request.dry_run:
        say(outlook_text(look_ahead(request, open_console(stderr=True))))
        return
    if request.init_from is not None:
        request = replace(request, init_from=checkpoint_file(request.init_from, "--init-from"))
    print_comparison(open_console(), run_ablation(request, open_console(stderr=True)))
    say(f"Study: {request.folder}")
