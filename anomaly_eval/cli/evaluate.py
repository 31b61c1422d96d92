"""The command `eval`: from a checkpoint, or from score maps on disk, to tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from rich.console import Console

from anomaly_eval.cli.app import Command, parameters
from anomaly_eval.cli.options import (
    Config,
    DataRoot,
    LauncherOption,
    NoJournal,
    say,
)
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import DEFAULT_MEASURES, Measures
from anomaly_eval.runtime.choices import Precision, ProtocolChoice
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINT_OR_MAPS, Running

SCORE_OPTIONS = "anomaly_eval.score_options"


class EvaluateCommand(Command):
    """The command with the options of all scores, whose --save-scores need not say how precisely."""

    alone: ClassVar[Mapping[str, str]] = {"--save-scores": "float32"}

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; those of scores follow --stats."""
        params = super().get_params(ctx)
        place = next(index for index, param in enumerate(params) if param.name == "stats") + 1
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


def evaluate(
    context: typer.Context,
    dataset: Annotated[
        list[str], typer.Option(help="One or more datasets: names, NAME:VARIANT, or card files (.yaml).")
    ],
    ckpt: Annotated[Path | None, typer.Option(help=CHECKPOINT_OR_MAPS.help)] = None,
    score_maps: Annotated[
        list[Path] | None,
        typer.Option(
            help="Instead: folders of finished score maps, as --save-scores writes them or one file for each image."
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(help="A method's name for each folder of --score-maps. Default: as saved, or the folder's."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    data_root: DataRoot = None,
    config: Config = None,
    scores: Annotated[
        list[str] | None, typer.Option(help="Scores. Default: all that the network allows, but for smoothed ones.")
    ] = None,
    fit_dataset: Annotated[
        str | None, typer.Option(help="Fit scores that learn on this closed-set dataset first.")
    ] = None,
    stats: Annotated[Path | None, typer.Option(help="Statistics written by `gmmseg-anomaly fit`.")] = None,
    protocol: Annotated[
        ProtocolChoice | None,
        typer.Option(
            help="Test settings for closed-set datasets: of the dataset's card, or the network's own. Default: card."
        ),
    ] = None,
    running: Running = AS_USUAL,
    save_scores: Annotated[
        Precision | None,
        typer.Option(help="Also write all score maps as TIFF: float32, without loss, or rounded to float16."),
    ] = None,
    heatmaps: Annotated[
        str, typer.Option(help="How many images of each dataset get heatmaps: a number, or all.")
    ] = "0",
    figures: Annotated[
        bool, typer.Option("--figures", help="Also draw curves and histograms, as PDF and PNG.")
    ] = False,
    page: Annotated[
        bool, typer.Option("--page", help="Also write index.html: tables, curves and all images, to browse.")
    ] = False,
    measures: Measures = DEFAULT_MEASURES,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Add the published rows to the tables.")
    ] = False,
    no_journal: NoJournal = False,
    launcher: LauncherOption = "none",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results in --out, and an interrupted run of others.")
    ] = False,
) -> None:
    """Evaluate a checkpoint, or score maps: methods x anomaly datasets, and classes of closed-set ones, to tables."""
    from anomaly_eval.evaluation.processes.team import as_one_of
    from anomaly_eval.evaluation.request import EvaluationRequest
    from anomaly_eval.evaluation.run import contribute, run_evaluation
    from anomaly_eval.reports.tables import print_results
    from anomaly_eval.score_maps.disk import MapsRequest
    from anomaly_eval.score_maps.refusals import refuse_network_options

    if measures.seed is not None and not measures.resamples:
        raise InputError("--seed is that of the resamples; add --bootstrap, or leave it out.")
    if ckpt is None and score_maps:
        how = {"--config": config, "--resize": running.resize, "--device": running.device != "auto"}
        how |= {"--window-batch": running.window_batch != 4, "--launcher": launcher != "none"}
        refuse_network_options(how)
    if names and not score_maps:
        raise InputError("--names is what the methods of --score-maps are called; add --score-maps, or leave it out.")
    request = EvaluationRequest(
        network=None if ckpt is None else running.network(ckpt, config),
        maps=None if not score_maps else MapsRequest(score_maps, names or ()),
        datasets=dataset,
        out=out,
        data_root=data_root,
        scores=scores,
        fit_dataset=fit_dataset,
        statistics=stats,
        score_options=context.meta[SCORE_OPTIONS],
        save_scores=save_scores,
        heatmaps=_heatmap_count(heatmaps),
        figures=figures,
        page=page,
        protocol=protocol,
        measures=measures,
        with_published=with_published,
        journal=not no_journal,
        overwrite=overwrite,
        command=context.obj,
    )
    console = Console(stderr=True)
    results = as_one_of(
        launcher, lambda team: run_evaluation(request, console, team), lambda team: contribute(request, team)
    )
    if results is None:
        return
    print_results(Console(), results, with_published)
    say(f"Results: {out}")


def _heatmap_count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise InputError(f"--heatmaps {text!r} is not understood; give a number or all.")
    return int(text)
