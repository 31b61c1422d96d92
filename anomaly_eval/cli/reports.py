"""The commands that turn networks and results into tables and figures for papers: `calibrate`, `report`, `grid`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import typer

from anomaly_eval.cli.options import say
from anomaly_eval.errors import InputError
from anomaly_eval.reports.request import ReportRequest
from anomaly_eval.runtime.console import open_console, told_beside_output
from anomaly_eval.studies.calibration.request import CalibrationRequest
from anomaly_eval.studies.grid.request import GridRequest

Word = TypeVar("Word", bound=str)


def calibrate(context: typer.Context, request: CalibrationRequest) -> None:
    """Measure how well probabilities can be trusted: ECE, Brier, NLL, and reliability diagrams of each network."""
    from anomaly_eval.reports.terminal import print_comparison
    from anomaly_eval.studies.calibration.run import run_calibration
    from anomaly_eval.studies.calibration.tables import compare_calibration

    console = open_console(stderr=True)
    findings = run_calibration(replace(request, command=context.obj), console)
    print_comparison(open_console(), compare_calibration(findings), told_beside_output(console))
    say(f"Results: {request.out}")


def report(context: typer.Context, request: ReportRequest) -> None:
    """Put the results of one or more runs into one table: LaTeX, CSV, Markdown and a page to browse."""
    import anomaly_eval.scores  # noqa: F401  (they bring their titles)
    from anomaly_eval.reports.report import run_report
    from anomaly_eval.reports.terminal import print_comparison

    for table in run_report(replace(request, formats=_without_commas(request.formats), command=context.obj)):
        print_comparison(open_console(), table)
    say(f"Report: {request.out}")


def grid(context: typer.Context, request: GridRequest) -> None:
    """Draw images beside what networks make of them: scores of anomalies (Fig. 4), or predicted classes (Fig. 3)."""
    from anomaly_eval.studies.grid.choosing import parse_choices
    from anomaly_eval.studies.grid.grid import measures, run_grid

    known = [*measures("anomaly"), *measures("closed_set")]
    request = replace(
        request,
        choose=parse_choices(_without_commas(request.choose)) if request.choose else None,
        measure=None if request.measure is None else chosen_word(request.measure, known, "--measure"),
        command=context.obj,
    )
    for path in run_grid(request, open_console(stderr=True)):
        say(f"Written: {path}")


def _without_commas(words: Sequence[str]) -> list[str]:
    """Return the words of a list that may also be written as one word with commas."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def chosen_word(word: str, known: Sequence[Word], option: str) -> Word:
    """Return a word of an option; raises InputError where it is none of those known."""
    for one in known:
        if one == word.strip():
            return one
    raise InputError(f"{option} does not know {word.strip()!r}; choose among {', '.join(known)}.")
