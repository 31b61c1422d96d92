"""The command `eval`: from a checkpoint, or from score maps on disk, to tables."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import typer

from anomaly_eval.cli.app import Command, parameters
from anomaly_eval.cli.options import say
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.runtime.console import CommandConsole, open_console, told_beside_output

SCORE_OPTIONS = "anomaly_eval.score_options"


class EvaluateCommand(Command):
    """The command with the options of all scores."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; those of scores follow --stats."""
        params = super().get_params(ctx)
        place = next(index for index, param in enumerate(params) if param.name == "statistics") + 1
        return [*params[:place], *self._of_scores, *params[place:]]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the options of scores aside, as no parameter of the function is theirs."""
        rest = super().parse_args(ctx, args)
        ctx.meta[SCORE_OPTIONS] = {param.name: ctx.params.pop(param.name) for param in self._of_scores}
        return rest

    @cached_property
    def _of_scores(self) -> list[Any]:
        from anomaly_eval.scores import score_options

        return parameters(
            {
                name: (option.type, typer.Option(help=option.help, min=option.min))
                for name, (_, option) in score_options().items()
            }
        )


def evaluate(context: typer.Context, request: EvaluationRequest) -> None:
    """Evaluate a checkpoint, or score maps: methods x anomaly datasets, and classes of closed-set ones, to tables."""
    request = replace(request, score_options=context.meta[SCORE_OPTIONS], command=context.obj)
    console = open_console(stderr=True)
    found = _evaluate_one(request, console) if len(request.checkpoints) < 2 else _evaluate_several(request, console)
    if found:
        say(f"Results: {request.out}")


def _evaluate_one(request: EvaluationRequest, console: CommandConsole) -> bool:
    """Evaluate one network, or score maps, and print the tables; return whether this is the process to do so."""
    from anomaly_eval.evaluation.contradictions import check_options
    from anomaly_eval.evaluation.processes.team import as_one_of
    from anomaly_eval.evaluation.run import contribute, run_evaluation
    from anomaly_eval.reports.tables import print_results

    # Before processes look for each other.
    check_options(request)
    results = as_one_of(
        request.launcher, lambda team: run_evaluation(request, console, team), lambda team: contribute(request, team)
    )
    if results is not None:
        print_results(open_console(), results, request.with_published, told_beside_output(console))
    return results is not None


def _evaluate_several(request: EvaluationRequest, console: CommandConsole) -> bool:
    """Evaluate several networks and print the tables of all; return as `_evaluate_one` does."""
    from anomaly_eval.evaluation.contradictions import check_options
    from anomaly_eval.evaluation.processes.team import as_one_of
    from anomaly_eval.evaluation.together import contribute_together, run_together
    from anomaly_eval.reports.terminal import print_comparison

    requests = request.of_each()
    for one in requests.values():
        check_options(one)
    found = as_one_of(
        request.launcher,
        lambda team: run_together(requests, console, team),
        lambda team: contribute_together(requests, team),
    )
    told = [f"{name}: {text}" for name in requests for text in told_beside_output(console)]
    for table in found.tables if found is not None else ():
        print_comparison(open_console(), table, told)
    return found is not None
