"""The command `speed`: how fast networks are beside each other."""

from __future__ import annotations

from dataclasses import replace

import typer

from anomaly_eval.cli.options import say
from anomaly_eval.runtime.console import open_console
from anomaly_eval.studies.speed.request import SpeedRequest


def speed(context: typer.Context, request: SpeedRequest) -> None:
    """Time networks in turn: frames a second, milliseconds and ratios with their spread, and peak memory."""
    from anomaly_eval.studies.speed.run import run_speed
    from anomaly_eval.studies.speed.tables import print_speed

    print_speed(open_console(), run_speed(replace(request, command=context.obj), open_console(stderr=True)))
    say(f"Results: {request.out}")
