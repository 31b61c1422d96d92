"""The command `predict`: from images without labels to pictures of what a network takes for unknown."""

from __future__ import annotations

from dataclasses import replace

import typer

from anomaly_eval.cli.options import say
from anomaly_eval.runtime.console import open_console
from anomaly_eval.studies.prediction.request import PredictionRequest


def predict(context: typer.Context, request: PredictionRequest) -> None:
    """Predict images, folders or videos without labels: scores, pictures of what is unknown, files for servers."""
    from anomaly_eval.studies.prediction.run import run_prediction

    found = run_prediction(replace(request, command=context.obj), open_console(stderr=True))
    say(f"Network: {found.network}")
    say("; ".join(["Score: " + found.score, *filter(None, [found.threshold])]))
    pictures = f"{found.images} image{'s' * (found.images != 1)}"
    say(f"{pictures} in {found.seconds:.1f} s, {found.images / found.seconds:.2f} a second")
    say(f"Predictions: {request.out}")
    if found.unread:
        # What is complete ends with 0, and what leaves nothing behind with 2.
        raise typer.Exit(1)
