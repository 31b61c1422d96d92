"""The command `gmmseg-anomaly`: words to calls, nothing else. Heavy imports wait until a command needs them."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape

from anomaly_eval.cli.ablate import ablate
from anomaly_eval.cli.app import App
from anomaly_eval.cli.datasets import datasets_app
from anomaly_eval.cli.evaluate import EvaluateCommand, evaluate
from anomaly_eval.cli.networks import networks_app
from anomaly_eval.cli.options import say
from anomaly_eval.cli.predict import predict
from anomaly_eval.cli.reports import calibrate, grid, report
from anomaly_eval.cli.speed import speed
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.fit_request import FitRequest
from anomaly_eval.evaluation.processes.launching import refuse_several_processes
from anomaly_eval.runtime.console import open_console
from anomaly_eval.runtime.failure import tell_starter
from anomaly_eval.runtime.machine import is_out_of_memory, keep_freed_memory, prefer_fast_sort
from anomaly_eval.runtime.shipped import config_source
from anomaly_eval.studies.demo.request import DemoRequest
from anomaly_eval.studies.mixtures.request import MixtureRequest
from gmmseg.training.request import TrainingRequest

app = App(
    "Anomaly segmentation: exact AUROC, AP and FPR95 of any mmsegmentation checkpoint, with named conventions.",
    no_args_is_help=True,
)

app.command(name="eval", cls=EvaluateCommand)(evaluate)


@app.command()
def fit(request: FitRequest) -> None:
    """Learn the statistics of scores on in-distribution images."""
    from anomaly_eval.evaluation.fit import contribute_to_fit, run_fit
    from anomaly_eval.evaluation.processes.team import as_one_of

    console = open_console(stderr=True)
    records = as_one_of(
        request.launcher, lambda team: run_fit(request, console, team), lambda team: contribute_to_fit(request, team)
    )
    if records is None:
        return
    for name, record in records.items():
        say("; ".join([f"{name}: {record.n_images} images of {record.dataset}", *record.notes]))
    say(f"Statistics: {request.out}")


@app.command(name="fit-mixtures")
def fit_mixtures(request: MixtureRequest) -> None:
    """Fit Gaussian mixtures to the features of a trained network, and write it with them as its classifier."""
    from anomaly_eval.studies.mixtures.run import run_fit_mixtures

    report = run_fit_mixtures(request, open_console(stderr=True))
    whole = report.expected_images in (None, report.images)
    images = str(report.images) if whole else f"only {report.images} of {report.expected_images}"
    say(
        f"{report.pixels} pixels of {images} images, {report.steps} steps of EM, mean log-likelihood "
        f"{report.log_likelihood:.3f}"
    )
    if not report.input_size.native:
        say(f"input: {report.input_size}; give the same --resize to what runs the checkpoint")
    if report.absent:
        say(f"no pixel of these classes, which the network will never predict: {', '.join(report.absent)}")
    say(f"Checkpoint: {request.out}")


@app.command()
def train(request: TrainingRequest) -> None:
    """Train a network on mmengine's Runner; the weights it writes at the end are for `eval`."""
    from anomaly_eval.segmenters.zoo import checkpoint_file
    from gmmseg.training.interrupting import Interrupted
    from gmmseg.training.run import run_training

    start = None if request.init_from is None else checkpoint_file(request.init_from, "--init-from")
    request = replace(request, config=config_source(request.config), init_from=start)
    try:
        run_training(request, say)
    except Interrupted as stop:
        tell_starter(str(stop))
        open_console(stderr=True).print(str(stop), highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(stop.code) from stop


@app.command()
def demo(context: typer.Context, request: DemoRequest) -> None:
    """From nothing to tables: draw streets, train a softmax network and its GMMSeg twin, and evaluate both."""
    from anomaly_eval.studies.demo.findings import in_words
    from anomaly_eval.studies.demo.page import terminal_table
    from anomaly_eval.studies.demo.run import run_demo

    findings = run_demo(replace(request, command=context.obj), open_console(stderr=True))
    open_console().print(terminal_table(findings))
    for sentence in in_words(findings):
        say(sentence)
    say(f"Time: {findings.times}")
    say(f"Summary: {request.out / 'index.html'}")


app.command()(predict)
app.command()(ablate)
app.command()(calibrate)
app.command()(report)
app.command()(grid)
app.command()(speed)
app.add_typer(datasets_app, name="datasets")
app.add_typer(networks_app, name="networks")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Evaluate anomaly segmentation."""
    if version:
        from importlib.metadata import version as installed

        open_console().print(installed("gmmseg-anomaly"), highlight=False)
        raise typer.Exit
    if context.invoked_subcommand is not None:
        refuse_several_processes(context.invoked_subcommand)


def _survive_surroundings() -> None:
    """Print what a terminal's encoding lacks as `?`, and leave nothing half-written when a scheduler ends the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


_TOO_LITTLE_MEMORY = "the memory does not suffice; give a smaller --resize, fewer --scores or another --device."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 2 for bad input, which is told in one sentence."""
    prefer_fast_sort()
    keep_freed_memory()
    _survive_surroundings()
    words = list(sys.argv[1:] if arguments is None else arguments)
    broken = next((word for word in words if not _is_text(word)), None)
    if broken is not None:
        return _refused(f"the argument {broken!a} is not UTF-8; rename it.")
    try:
        app(words, prog_name="gmmseg-anomaly", obj=["gmmseg-anomaly", *words])
    except (InputError, OSError, UnicodeError) as error:
        # What no reader of ours turned into a sentence is still bad input or a full machine, not a bug to trace.
        return _refused(str(error))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except Exception as error:
        if not is_out_of_memory(error):
            tell_starter(f"{type(error).__name__}: {error}")
            raise
        return _refused(_TOO_LITTLE_MEMORY)
    return 0


def _is_text(word: str) -> bool:
    """Whether an argument can be written into results; names of files need not be text."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(reason: str) -> int:
    """Tell the reason, and return the exit code."""
    tell_starter(reason)
    open_console(stderr=True).print(f"[bold red]error:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    return 2
