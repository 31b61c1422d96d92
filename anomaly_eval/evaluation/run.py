"""One run of `gmmseg-anomaly eval`: from a checkpoint or score maps, and datasets, to a folder of results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from rich.console import Console

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.evaluation.inputs import find_inputs, of_maps, of_network
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.evaluation.journal.run_journal import RunJournal
from anomaly_eval.evaluation.part import Part, computation
from anomaly_eval.evaluation.processes.team import Team, wait_for_others
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.results.records import Results
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import open_console
from anomaly_eval.runtime.output_folder import check_output, prepare_output
from anomaly_eval.score_maps.disk import MapsOnDisk


def run_evaluation(request: EvaluationRequest, console: Console, team: Team | None = None) -> Results:
    """Evaluate, write the result folder, and return the results; as the first process of a team, if there is one.

    Cheap checks come first, so that a mistake is told before the network runs. A run that was interrupted goes on from
    its journal; see `anomaly_eval.evaluation.journal`.
    """
    if request.ensemble is not None:
        raise InputError("--ensemble averages several networks; give more of them as --ckpt A B, or leave it out.")
    clock = Clock()
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with clock.section("input"):
        inputs = find_inputs(request)
        found = request.maps
        maps = None if found is None else MapsOnDisk(found, inputs.datasets)
    folder = JournalFolder(request.out, inputs.datasets, inputs.fit_set)
    folder.sweep()
    check_output(request.out, request.overwrite)
    wanted = request.journal and maps is None
    with folder.locked():
        if wanted:
            folder.clear_others(request.overwrite)
        with (
            prepare_output(request.out, request.overwrite) as output,
            RunJournal(folder, console, wanted=wanted, team=team) as journal,
        ):
            evaluated = (
                of_maps(request, maps) if maps is not None else of_network(request, inputs, console, clock, journal)
            )
            with Part(
                request,
                evaluated,
                inputs.datasets,
                output.path,
                console=console,
                clock=clock,
                records=journal.records,
            ) as part:
                work_through([part], inputs.datasets, Passes(console, clock, team))
                results = part.write(started)
            if journal.records is not None:
                folder.note_publication(output.path)
        if team is not None:
            wait_for_others(team, console)
        # Only now, as the results have their name.
        if journal.records is not None:
            folder.delete()
    return results


def contribute(request: EvaluationRequest, team: Team) -> None:
    """Do a share of an evaluation that the first process of a team collects; raises InputError as it does."""
    clock, console = Clock(), open_console(quiet=True)
    inputs = find_inputs(request)
    folder = JournalFolder(request.out, inputs.datasets, inputs.fit_set)
    with RunJournal(folder, console, wanted=request.journal, team=team) as journal:
        evaluated = of_network(request, inputs, console, clock, journal)
        passes = Passes(console, clock, team)
        for samples in inputs.datasets:
            passes.contribute(samples, computation(request, evaluated, samples, clock), journal.records)


def work_through(parts: Sequence[Part], datasets: Sequence[SampleSet], passes: Passes) -> None:
    """Evaluate all parts on all datasets; each image is read once in a pass, for all of them."""
    for samples in datasets:
        begun = [(part, one) for part in parts if (one := part.begin(samples)) is not None]
        passes.first(samples, samples.spec, [part.of_this(one.first) for part, one in begun])
        again = [part.of_this(work) for part, one in begun if (work := one.second()) is not None]
        if again:
            passes.again(samples, f"{samples.spec}, components", again)
        for part, one in begun:
            part.end(one)
    # Only now are the thresholds of all datasets known.
    for samples in datasets:
        measured = [(part, found) for part in parts if (found := part.thresholds(samples)) is not None]
        if measured:
            works = [part.of_this(found.work) for part, found in measured]
            passes.again(samples, f"{samples.spec}, operating points", works)
        for part, found in measured:
            part.end_thresholds(found.rows())
