"""The commands that turn networks and results into tables and figures for papers: `calibrate`, `report`, `grid`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from anomaly_eval.cli.options import AS_USUAL, DataRoot, Running, say
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.asked import MAX_SEED
from anomaly_eval.runtime.choices import ProtocolChoice

if TYPE_CHECKING:
    from anomaly_eval.segmenters.load import NetworkRequest

Word = TypeVar("Word", bound=str)

Checkpoints = Annotated[
    list[Path],
    typer.Option("--ckpt", help="Checkpoints (.pth, .safetensors) or names of shipped networks, one or more."),
]
Configs = Annotated[
    list[str] | None,
    typer.Option("--config", help="A config for each checkpoint. Default: those inside the checkpoints."),
]
Names = Annotated[list[str] | None, typer.Option(help="What tables and figures call them. Default: their files.")]


def calibrate(
    context: typer.Context,
    ckpt: Checkpoints,
    dataset: Annotated[str, typer.Option(help="A closed-set dataset with the networks' classes.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and diagrams.")] = Path("calibration"),
    names: Names = None,
    config: Configs = None,
    data_root: DataRoot = None,
    bins: Annotated[int, typer.Option(min=1, max=1000, help="Bins of confidence.")] = 15,
    equal_mass: Annotated[
        bool, typer.Option("--equal-mass", help="Also draw diagrams with as many pixels in each bin.")
    ] = False,
    class_wise: Annotated[bool, typer.Option("--class-wise", help="Also draw a diagram for each class.")] = False,
    temperature_on: Annotated[
        str | None, typer.Option(help="A held-out split: also measure with a temperature fitted on it.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of the pixels that a temperature is fitted on.")
    ] = 0,
    running: Running = AS_USUAL,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier calibration in --out.")] = False,
) -> None:
    """Measure how well probabilities can be trusted: ECE, Brier, NLL, and reliability diagrams of each network."""
    from anomaly_eval.reports.terminal import print_comparison
    from anomaly_eval.studies.calibration.run import CalibrationRequest, run_calibration
    from anomaly_eval.studies.calibration.tables import compare_calibration

    request = CalibrationRequest(
        networks=_networks(ckpt, config, running),
        dataset=dataset,
        out=out,
        names=names or (),
        data_root=data_root,
        bins=bins,
        temperature_dataset=temperature_on,
        seed=seed,
        equal_mass=equal_mass,
        class_wise=class_wise,
        overwrite=overwrite,
        command=context.obj,
    )
    findings = run_calibration(request, Console(stderr=True))
    print_comparison(Console(), compare_calibration(findings))
    say(f"Results: {out}")


def report(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(help="Folders that `eval` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    names: Annotated[list[str] | None, typer.Option(help="What tables call the runs. Default: their folders.")] = None,
    format: Annotated[list[str], typer.Option(help="Formats of the tables.")] = ["tex", "csv", "md", "html"],  # noqa: B006
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Add the published rows to the tables.")
    ] = False,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Show the intervals of runs with --bootstrap in the tables.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Also draw curves and histograms of all runs.")] = False,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Put runs together that differ in conventions, and say so in a footnote.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report in --out.")] = False,
) -> None:
    """Put the results of one or more runs into one table: LaTeX, CSV, Markdown and a page to browse."""
    import anomaly_eval.scores  # noqa: F401  (they bring their titles)
    from anomaly_eval.reports.report import ReportRequest, run_report
    from anomaly_eval.reports.terminal import print_comparison

    request = ReportRequest(
        runs=runs,
        out=out,
        names=names or (),
        formats=_without_commas(format),
        with_published=with_published,
        intervals=intervals,
        figures=figures,
        mixed=mixed,
        overwrite=overwrite,
        command=context.obj,
    )
    for table in run_report(request):
        print_comparison(Console(), table)
    say(f"Report: {out}")


def grid(
    context: typer.Context,
    ckpt: Checkpoints,
    dataset: Annotated[str, typer.Option(help="An anomaly dataset for score maps, a closed-set one for classes.")],
    out: Annotated[Path, typer.Option(help="The figure: .pdf, .png and .json are added.")] = Path("grid"),
    names: Names = None,
    config: Configs = None,
    data_root: DataRoot = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(help="Scores to draw. Default: all that need no further file, but for smoothed ones."),
    ] = None,
    stats: Annotated[
        list[Path] | None, typer.Option(help="Statistics written by `gmmseg-anomaly fit`, in any order.")
    ] = None,
    images: Annotated[list[str] | None, typer.Option(help="Ids of the images to draw.")] = None,
    choose: Annotated[
        list[str] | None, typer.Option(help="Or which to choose: best, median, worst. Default: all three.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Images of each choice.")] = 1,
    measure: Annotated[
        str | None,
        typer.Option(help="What ranks images: auroc, ap or fpr95; miou or accuracy. Default: the first of each."),
    ] = None,
    protocol: Annotated[
        ProtocolChoice | None, typer.Option(help="Test settings for closed-set datasets. Default: card.")
    ] = None,
    no_outline: Annotated[
        bool, typer.Option("--no-outline", help="Leave out the outline of the label on score maps.")
    ] = False,
    running: Running = AS_USUAL,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier files.")] = False,
) -> None:
    """Draw images beside what networks make of them: scores of anomalies (Fig. 4), or predicted classes (Fig. 3)."""
    from anomaly_eval.studies.grid.choosing import parse_choices
    from anomaly_eval.studies.grid.grid import GridRequest, measures, run_grid

    known = [*measures("anomaly"), *measures("closed_set")]
    request = GridRequest(
        networks=_networks(ckpt, config, running),
        dataset=dataset,
        out=out,
        names=names,
        data_root=data_root,
        scores=scores,
        statistics=stats or (),
        images=images,
        choose=parse_choices(_without_commas(choose)) if choose else None,
        count=count,
        measure=None if measure is None else chosen_word(measure, known, "--measure"),
        protocol=protocol,
        outline=not no_outline,
        overwrite=overwrite,
        command=context.obj,
    )
    for path in run_grid(request, Console(stderr=True)):
        say(f"Written: {path}")


def _networks(ckpt: list[Path], config: list[str] | None, running: Running) -> list[NetworkRequest]:
    configs = for_each(config, len(ckpt), "--config")
    return [running.network(path, chosen) for path, chosen in zip(ckpt, configs, strict=True)]


def _without_commas(words: Sequence[str]) -> list[str]:
    """Return the words of a list that may also be written as one word with commas."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def chosen_word(word: str, known: Sequence[Word], option: str) -> Word:
    """Return a word of an option; raises InputError where it is none of those known."""
    for one in known:
        if one == word.strip():
            return one
    raise InputError(f"{option} does not know {word.strip()!r}; choose among {', '.join(known)}.")


def for_each(given: list[str] | None, count: int, option: str) -> list[str | None]:
    """Return a value for each checkpoint; raises InputError where there are some, but not one for each."""
    if not given:
        return [None] * count
    if len(given) != count:
        raise InputError(f"{option} gives {len(given)} values for {count} checkpoints; give one for each --ckpt.")
    return list(given)
