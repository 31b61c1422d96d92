"""Several networks in one run: each image is read once for all of them, and one table tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.contradictions import check_options
from anomaly_eval.evaluation.ensembles import OF_PROBABILITIES, OF_SCORES, ensemble_fingerprint, ensembles
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.evaluation.image_work import said_of
from anomaly_eval.evaluation.inputs import Evaluated, Inputs, find_inputs, of_network
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.evaluation.journal.run_journal import RunJournal
from anomaly_eval.evaluation.part import Part, computation
from anomaly_eval.evaluation.processes.team import Team, wait_for_others
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import work_through
from anomaly_eval.evaluation.together_folder import TOGETHER, folder_names, write_report
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.comparison import ComparisonTable
from anomaly_eval.results.records import Results
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import open_console, warn
from anomaly_eval.runtime.output_folder import check_output, prepare_output
from anomaly_eval.scores import SCORES, choose_scores
from anomaly_eval.scores.statistics_file import check_is_there
from anomaly_eval.segmenters.base import ALL_OUTPUTS
from anomaly_eval.segmenters.device import free_memory_of

_LEAST_FREE = 0.25
"""Of the memory, before one more network is loaded: what a network takes while it runs is not known before."""


@dataclass(frozen=True)
class Together:
    """What several networks gave, by their names, and the tables of all."""

    results: Mapping[str, Results]
    folders: Mapping[str, str]
    """Where their results lie in the folder of the run."""
    tables: Sequence[ComparisonTable]


class _Run:
    """What all networks of a run share."""

    def __init__(self, requests: Mapping[str, EvaluationRequest], console: Console, team: Team | None) -> None:
        self.requests = {name: replace(request, among_several=len(requests) > 1) for name, request in requests.items()}
        self.console, self.team = console, team
        self.shared = next(iter(self.requests.values()))
        self.reading, self.started = Clock(), datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self.reading.section("input"):
            self.inputs = _inputs(requests)
        self.begun = False
        """Whether any network has looked at images."""
        self._methods: dict[str, dict[str, str]] = {}
        """What the scores of each network are called that was loaded so far, and what they are asked for by."""
        self.files = folder_names(list(requests), (OF_PROBABILITIES, OF_SCORES) if self.shared.ensemble else ())
        self.wanted = all(one.journal for one in requests.values())
        """Whether there is a journal."""
        fit_set = self.inputs.fit_set
        self.folder = JournalFolder(self.shared.out, self.inputs.datasets, fit_set, parts=list(self.files.values()))

    def journal(self, name: str) -> RunJournal:
        """Return the journal of one network."""
        return RunJournal(self.folder.parts[self.files[name]], self.console, wanted=self.wanted, team=self.team)

    def load(self, name: str, clock: Clock, journal: RunJournal) -> Evaluated:
        """Load a network, and fit its scores."""
        self.console.print(f"{escape(name)}:", highlight=False, soft_wrap=True)
        with said_of(name):
            found = of_network(self.requests[name], self.inputs, self.console, clock, journal)
        # Not the scores themselves, whose statistics may be as large as the network.
        self._methods[name] = {score.name: type(score).name for score in found.scores}
        if len(self._methods) == len(self.requests):
            try:
                self._check_scores()
            except InputError as error:
                # What took hours is not to be lost to a word too many.
                if not self.begun:
                    raise
                self.warn(str(error))
        return found

    def warn(self, text: str) -> None:
        """Print a warning."""
        warn(self.console, text)

    def _check_scores(self) -> None:
        """Refuse names of scores that none of the networks has, now that all are known."""
        if all(samples.card.task != "anomaly" for samples in self.inputs.datasets):
            return
        methods = {name: asked for own in self._methods.values() for name, asked in own.items()}
        self.shared.measures.check_methods(list(methods))
        for name in self.shared.scores or ():
            if name not in methods.values():
                raise InputError(
                    f"the score {name!r} needs {SCORES[name].needs}, which none of these networks provides; leave it "
                    f"out of --scores."
                )

    def part(self, name: str, evaluated: Evaluated, folder: Path, clock: Clock, journal: RunJournal) -> Part:
        """Begin the results of one network, or of a mean of all, in a folder of the run's own."""
        place = folder / self.files[name]
        place.mkdir()
        request = self.requests.get(name, self.shared)
        return Part(
            replace(request, measures=request.measures.of_methods(evaluated.source.methods)),
            evaluated,
            self.inputs.datasets,
            place,
            console=self.console,
            clock=clock,
            records=journal.records,
            name=name,
        )


def run_together(requests: Mapping[str, EvaluationRequest], console: Console, team: Team | None = None) -> Together:
    """Evaluate several networks, write a folder of results for each and a report into one, and return both.

    The requests, by the names of the networks, differ in the network alone. As many networks as the memory holds share
    each pass over the images; each gives what it gives alone. Raises as `run_evaluation` does, and for networks that no
    folder can be called by.
    """
    run = _Run(requests, console, team)
    out, overwrite = run.shared.out, run.shared.overwrite
    run.folder.sweep()
    check_output(out, overwrite, TOGETHER)
    with run.folder.locked():
        if run.wanted:
            run.folder.clear_others(overwrite)
        with prepare_output(out, overwrite, TOGETHER) as output, ExitStack() as journals:
            results: dict[str, Results] = {}
            while waiting := [name for name in requests if name not in results]:
                results |= _evaluate_some(run, waiting, output.path, journals)
            runs = [NamedRun(name, output.path / run.files[name], found) for name, found in results.items()]
            tables = write_report(runs, run.shared, output.path, run.warn)
            if run.wanted:
                run.folder.note_publication(output.path)
        if team is not None:
            wait_for_others(team, console)
        # Only now, as the results have their name.
        if run.wanted:
            run.folder.delete()
    return Together(results, run.files, tables)


def contribute_together(requests: Mapping[str, EvaluationRequest], team: Team) -> None:
    """Do a share of what the first process of a team collects, network by network; raises InputError as it does."""
    run = _Run(requests, open_console(quiet=True), team)
    for name in requests:
        _contribute_one(run, name)


def _contribute_one(run: _Run, name: str) -> None:
    """Do a share of what is done with one network, which is freed before the next one is loaded."""
    clock = Clock()
    with run.journal(name) as journal:
        evaluated, passes = run.load(name, clock, journal), Passes(run.console, clock, run.team)
        run.begun = True
        for samples in run.inputs.datasets:
            compute = said_of(name)(computation(run.requests[name], evaluated, samples, clock))
            passes.contribute(samples, compute, journal.records)


def _evaluate_some(run: _Run, waiting: Sequence[str], folder: Path, journals: ExitStack) -> dict[str, Results]:
    """Evaluate the first networks that wait, as many as there is memory for, in one pass over each dataset."""
    with ExitStack() as stack:
        parts: dict[str, Part] = {}
        members = []
        for name in waiting:
            clock, journal = Clock(), journals.enter_context(run.journal(name))
            members.append(run.load(name, clock, journal))
            parts[name] = stack.enter_context(run.part(name, members[-1], folder, clock, journal))
            # Other processes do one network after the other, and an ensemble needs all.
            scarce = len(parts) < len(waiting) and not run.shared.ensemble and _is_scarce(members[-1].views[0].device)
            if run.team is not None or scarce:
                break
        if len(parts) < len(waiting) and run.team is None:
            run.console.print(f"memory is scarce: {', '.join(map(escape, parts))} first", highlight=False)
        for name, evaluated in _ensembles(run, members).items():
            run.console.print(f"{name}:", highlight=False)
            journal = journals.enter_context(run.journal(name))
            fingerprint = ensemble_fingerprint(evaluated, members)
            if fingerprint is not None:
                journal.begin(fingerprint, run.shared.overwrite, run.inputs.datasets)
            parts[name] = stack.enter_context(run.part(name, evaluated, folder, Clock(), journal))
        run.begun, before = True, run.reading.seconds["input"]
        work_through(list(parts.values()), run.inputs.datasets, Passes(run.console, run.reading, run.team))
        for part in parts.values():
            # All of them waited for the images.
            part.clock.seconds["input"] += run.reading.seconds["input"] - before
        return {name: part.write(run.started) for name, part in parts.items()}


def _ensembles(run: _Run, members: Sequence[Evaluated]) -> dict[str, Evaluated]:
    """Return the means of the networks that were asked for."""
    tasks = {samples.card.task for samples in run.inputs.datasets}
    return ensembles(run.shared, tasks, members) if run.shared.ensemble is not None else {}


def _inputs(requests: Mapping[str, EvaluationRequest]) -> Inputs:
    """Check the options of all networks, and find the datasets, which are the same for all."""
    for request in requests.values():
        check_options(request)
        if request.network is not None:
            # Before hours go by with the networks before it.
            request.network.check()
        if request.given_statistics is not None:
            check_is_there(request.given_statistics)
        if request.measures.thresholds is not None:
            raise InputError("--thresholds are of one network; evaluate it alone.")
    shared = next(iter(requests.values()))
    inputs = find_inputs(shared)
    # What no network whatsoever has; of the others it is known once all are loaded.
    scores = choose_scores(shared.scores, ALL_OUTPUTS, shared.chosen_options)
    replace(shared.measures, component_threshold=()).check_methods([score.name for score in scores])
    return inputs


def _is_scarce(device: torch.device) -> bool:
    """Whether one more network may be too much for the memory of the device."""
    part = free_memory_of(device)
    return part is not None and part < _LEAST_FREE
