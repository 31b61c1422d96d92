"""One run of `gmmseg-anomaly eval`: from a checkpoint or score maps, and datasets, to a folder of results."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.evaluation.anomaly import (
    AnomalyFindings,
    evaluate_dataset,
    every,
    measure_thresholds,
    score_computation,
)
from anomaly_eval.evaluation.closed_set import count_computation, evaluate_closed_set, unchecked_order
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.evaluation.inputs import Evaluated, find_inputs, of_maps, of_network
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.evaluation.journal.run_journal import RunJournal
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.operating_points import given_thresholds, known
from anomaly_eval.evaluation.pictures import Pictures
from anomaly_eval.evaluation.processes.team import Team, wait_for_others
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.metrics import registry
from anomaly_eval.reports.tables import write_tables
from anomaly_eval.results.curves import distributions_csv
from anomaly_eval.results.image_counts import write_counts
from anomaly_eval.results.origins import ModelRecord, Origin
from anomaly_eval.results.provenance import threads_on, timing_of, versions
from anomaly_eval.results.records import (
    UNKNOWN_CLASS_MAPS,
    ClosedSetClassRow,
    ClosedSetRow,
    Conventions,
    DatasetRecord,
    OperatingRow,
    Provenance,
    Results,
)
from anomaly_eval.results.resamples import bootstrap_text
from anomaly_eval.results.thresholds import THRESHOLDS_FILE, Thresholds
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import open_console
from anomaly_eval.runtime.output_folder import check_output, prepare_output
from anomaly_eval.score_maps.disk import MapsOnDisk
from anomaly_eval.score_maps.saving import writer


def run_evaluation(request: EvaluationRequest, console: Console, team: Team | None = None) -> Results:
    """Evaluate, write the result folder, and return the results; as the first process of a team, if there is one.

    Cheap checks come first, so that a mistake is told before the network runs. A run that was interrupted goes on from
    its journal; see `anomaly_eval.evaluation.journal`.
    """
    clock = Clock()
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with clock.section("input"):
        inputs = find_inputs(request)
        found = request.maps
        maps = None if found is None else MapsOnDisk(found, inputs.datasets)
    folder = JournalFolder(request.out, inputs.datasets, inputs.fit_set)
    folder.sweep()
    check_output(request.out, request.overwrite)
    with folder.locked():
        with (
            prepare_output(request.out, request.overwrite) as output,
            RunJournal(folder, console, wanted=request.journal and maps is None, team=team) as journal,
        ):
            evaluated = (
                of_maps(request, maps) if maps is not None else of_network(request, inputs, console, clock, journal)
            )
            passes = Passes(console, clock, journal.records, team)
            results = _evaluate(request, started, inputs.datasets, evaluated, output.path, passes)
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
        passes = Passes(console, clock, journal.records, team)
        for samples in inputs.datasets:
            if samples.card.task == "closed_set" and evaluated.segmenter is not None:
                compute = count_computation(evaluated.segmenter, samples, request.protocol or "card", clock)
            else:
                compute = score_computation(evaluated.source, samples, clock)
            passes.contribute(samples, compute)


def _evaluate(
    request: EvaluationRequest,
    started: str,
    datasets: Sequence[SampleSet],
    evaluated: Evaluated,
    folder: Path,
    passes: Passes,
) -> Results:
    """Evaluate all datasets, write everything into a folder, and return the results."""
    console, clock = passes.console, passes.clock
    maps = evaluated.maps
    warnings = list(evaluated.warnings)
    warnings += [samples.shortfall for samples in datasets if samples.shortfall is not None]
    if evaluated.segmenter is not None:
        closed_sets = [samples for samples in datasets if samples.card.task == "closed_set"]
        warnings += [text for samples in closed_sets for text in unchecked_order(samples, evaluated.segmenter)]
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    given = _given_thresholds(request, evaluated)
    anomaly_findings: list[AnomalyFindings] = []
    closed_set: list[ClosedSetRow] = []
    closed_set_classes: list[ClosedSetClassRow] = []
    records: list[DatasetRecord] = []
    with (
        Pictures(
            folder,
            datasets,
            heatmaps=request.heatmaps,
            page=request.page,
            figures=request.figures,
            convention=request.measures.fpr_convention,
        ) as pictures,
        writer(folder, datasets, request.save_scores) as saved,
    ):
        observer = every(pictures.observer, saved.keep if saved is not None else None)
        for samples in datasets:
            if samples.card.task == "closed_set" and evaluated.segmenter is not None:
                findings = evaluate_closed_set(evaluated.segmenter, samples, passes, request.protocol or "card")
                record = findings.record
                closed_set.append(findings.row)
                closed_set_classes += findings.classes
            else:
                thresholds = [known(row) for row in given]
                found = evaluate_dataset(evaluated.source, samples, passes, observer, request.measures, thresholds)
                record = found.record
                anomaly_findings.append(found)
                warnings += found.warnings
            records.append(record)
            if not record.expected_sizes_only:
                warnings.append(f"{samples.spec}: {_sizes(record)}")
        chosen = [one for found in anomaly_findings for one in found.chosen]
        ranked = [samples for samples in datasets if samples.card.task == "anomaly"] if chosen else []
        points = [row for samples in ranked for row in measure_thresholds(evaluated.source, samples, passes, chosen)]
        with clock.section("output"):
            titles = {record.name: record.title for record in records}
            pictures.draw_heatmaps(titles, evaluated.source.methods, console)
            model = evaluated.source.describe()
            if saved is not None and isinstance(model, ModelRecord):
                saved.finish(model, evaluated.fits, records)
        warnings += maps.doubts(records) if maps is not None else []
        with clock.section("output"):
            counts_sha256 = write_counts(folder, [one.counts for one in anomaly_findings if one.counts is not None])
        results = Results(
            rows=[row for found in anomaly_findings for row in found.rows],
            intervals=[row for found in anomaly_findings for row in found.intervals],
            differences=[row for found in anomaly_findings for row in found.differences],
            per_image=[row for found in anomaly_findings for row in found.per_image],
            components=[row for found in anomaly_findings for row in found.components],
            operating_points=[*(row for found in anomaly_findings for row in found.operating_points), *points],
            given_thresholds=given,
            closed_set=closed_set,
            closed_set_classes=closed_set_classes,
            datasets=records,
            conventions=_conventions(request.measures, maps),
            provenance=Provenance(
                command=shlex.join(request.command),
                started=started,
                versions=versions(),
                platform=platform.platform(),
                model=model,
                fits=dict(evaluated.fits),
                bootstrap=_bootstrap_text(request.measures),
                negated=[name for name in evaluated.source.methods if name in request.measures.negate],
                threads=_threads(model),
            ),
            timing=timing_of(clock),
            warnings=warnings,
            counts_sha256=counts_sha256,
        )
        (folder / "results.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_tables(results, folder, request.with_published)
        if points:
            at_home = [row for row in points if row.dataset == row.learnt_on]
            negated = results.provenance.negated
            file = Thresholds(origin=model, negated=negated, rows=at_home).model_dump_json(indent=2)
            (folder / THRESHOLDS_FILE).write_text(file + "\n", encoding="utf-8")
        distributions = [one for found in anomaly_findings for one in found.distributions]
        for name, text in (distributions_csv(distributions) if distributions else {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        pictures.finish(results, distributions, request.with_published, console)
    return results


def _given_thresholds(request: EvaluationRequest, evaluated: Evaluated) -> list[OperatingRow]:
    """Return the thresholds of --thresholds for the methods there are."""
    path, methods = request.measures.thresholds, evaluated.source.methods
    if path is None:
        return []
    negated = [name for name in methods if name in request.measures.negate]
    if evaluated.maps is not None:
        return given_thresholds(path, methods, evaluated.maps.models, negated)
    model = evaluated.source.describe()
    return given_thresholds(path, methods, [model] if isinstance(model, ModelRecord) else [], negated)


def _conventions(measures: Measures, maps: MapsOnDisk | None) -> Conventions:
    definitions = {metric.key: metric.definition for metric in registry.ranking(measures.fpr_convention)}
    conventions = Conventions(metrics=definitions)
    known = maps is None or maps.all_saved
    return conventions if known else conventions.model_copy(update={"class_maps": UNKNOWN_CLASS_MAPS})


def _threads(model: Origin) -> int | None:
    return threads_on(model.device) if isinstance(model, ModelRecord) else None


def _sizes(record: DatasetRecord) -> str:
    """Say which sizes the images have instead of the card's."""
    found = ", ".join(f"{width}x{height}" for width, height in record.image_sizes)
    width, height = record.expected_size or (0, 0)
    return f"images of {found} instead of {width}x{height}; its numbers are not those of the original images"


def _bootstrap_text(measures: Measures) -> str | None:
    """Say how the intervals came about, None where there are none."""
    if not measures.resamples:
        return None
    return bootstrap_text(measures.resamples, measures.seed or 0)
