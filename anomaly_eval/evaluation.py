"""One run of `gmmseg-anomaly eval`: from a checkpoint or score maps, and datasets, to a folder of results."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from anomaly_eval.benchmark import DEFAULT_MEASURES, AnomalyFindings, evaluate_dataset, every
from anomaly_eval.cards import Task
from anomaly_eval.clock import Clock
from anomaly_eval.closed_set import check_same_classes, evaluate_closed_set
from anomaly_eval.distributions import distributions_csv
from anomaly_eval.errors import InputError
from anomaly_eval.fitting import fit_scores, load_statistics
from anomaly_eval.maps.disk import MapsOnDisk, MapsRequest
from anomaly_eval.maps.index import Precision
from anomaly_eval.maps.refusals import refuse_network_options
from anomaly_eval.maps.saving import writer
from anomaly_eval.maps.source import NetworkScores, ScoreSource
from anomaly_eval.measures import Measures
from anomaly_eval.network import NetworkRequest
from anomaly_eval.outputs import prepare_output
from anomaly_eval.pictures import Pictures
from anomaly_eval.prediction import Prediction, Segmenter
from anomaly_eval.protocol import ProtocolChoice
from anomaly_eval.provenance import timing_of, versions
from anomaly_eval.reports.tables import write_tables
from anomaly_eval.results import (
    FPR95_CONVENTIONS,
    UNKNOWN_CLASS_MAPS,
    ClosedSetClassRow,
    ClosedSetRow,
    Conventions,
    DatasetRecord,
    FitRecord,
    ModelRecord,
    Provenance,
    Results,
)
from anomaly_eval.samples import SampleSet, find_dataset
from anomaly_eval.scores import FittedScore, Score, choose_scores
from anomaly_eval.scores.sml import SML

_REMEDY = "give --fit-dataset NAME, or --stats FILE as written by `gmmseg-anomaly fit`"


@dataclass(frozen=True)
class EvaluationRequest:
    """All that one evaluation depends on."""

    network: NetworkRequest | None
    """None where there are `maps` instead."""
    datasets: Sequence[str]
    out: Path
    maps: MapsRequest | None = None
    """Finished score maps to evaluate in the place of a network's."""
    data_root: Path | None = None
    scores: Sequence[str] | None = None
    fit_dataset: str | None = None
    statistics: Path | None = None
    sml_without: Sequence[str] = ()
    save_scores: Precision | None = None
    """What score maps are rounded to when they are written; None writes none."""
    heatmaps: int | None = 0
    """How many images of each dataset get heatmaps; None is all."""
    figures: bool = False
    """Whether curves and histograms are drawn."""
    page: bool = False
    """Whether a page to browse is written."""
    protocol: ProtocolChoice | None = None
    """Whose test settings closed-set datasets are evaluated with; None is the card's."""
    measures: Measures = DEFAULT_MEASURES
    with_published: bool = False
    overwrite: bool = False
    command: Sequence[str] = ()


def run_evaluation(request: EvaluationRequest, console: Console) -> Results:
    """Evaluate, write the result folder, and return the results.

    Cheap checks come first, so that a mistake is told before the network runs.
    """
    clock = Clock()
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    _check_options(request)
    with clock.section("input"):
        datasets = _find_all(request.datasets, request.data_root)
        _check_tasks(request, {samples.card.task for samples in datasets})
        for samples in datasets:
            if samples.card.task == "anomaly":
                request.measures.track_for(samples)
        maps = None if request.maps is None else MapsOnDisk(request.maps, datasets)
        fit_set = find_dataset(request.fit_dataset, request.data_root) if request.fit_dataset else None
    with prepare_output(request.out, request.overwrite) as output:
        evaluated = _of_network(request, datasets, fit_set, console, clock) if maps is None else _of_maps(maps)
        source, warnings = evaluated.source, list(evaluated.warnings)
        warnings += [samples.shortfall for samples in datasets if samples.shortfall is not None]
        for warning in warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
        anomaly_findings: list[AnomalyFindings] = []
        closed_set: list[ClosedSetRow] = []
        closed_set_classes: list[ClosedSetClassRow] = []
        records: list[DatasetRecord] = []
        with (
            Pictures(
                output.path,
                datasets,
                heatmaps=request.heatmaps,
                page=request.page,
                figures=request.figures,
                convention=request.measures.fpr_convention,
            ) as pictures,
            writer(output.path, datasets, request.save_scores) as saved,
        ):
            observer = every(pictures.observer, saved.keep if saved is not None else None)
            for samples in datasets:
                if samples.card.task == "closed_set" and evaluated.segmenter is not None:
                    findings = evaluate_closed_set(
                        evaluated.segmenter, samples, console, clock, request.protocol or "card"
                    )
                    record = findings.record
                    closed_set.append(findings.row)
                    closed_set_classes += findings.classes
                else:
                    found = evaluate_dataset(source, samples, console, clock, observer, request.measures)
                    record = found.record
                    anomaly_findings.append(found)
                    warnings += found.warnings
                records.append(record)
                if not record.expected_sizes_only:
                    warnings.append(f"{samples.spec}: {_sizes(record)}")
            with clock.section("output"):
                titles = {record.name: record.title for record in records}
                pictures.draw_heatmaps(titles, source.methods, console)
                model = source.describe()
                if saved is not None and isinstance(model, ModelRecord):
                    saved.finish(model, evaluated.fits, records)
            warnings += maps.changes(records) if maps is not None else []
            results = Results(
                rows=[row for found in anomaly_findings for row in found.rows],
                intervals=[row for found in anomaly_findings for row in found.intervals],
                differences=[row for found in anomaly_findings for row in found.differences],
                per_image=[row for found in anomaly_findings for row in found.per_image],
                components=[row for found in anomaly_findings for row in found.components],
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
                ),
                timing=timing_of(clock),
                warnings=warnings,
            )
            (output.path / "results.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
            write_tables(results, output.path, request.with_published)
            distributions = [one for found in anomaly_findings for one in found.distributions]
            for name, text in (distributions_csv(distributions) if distributions else {}).items():
                (output.path / name).write_text(text, encoding="utf-8")
            pictures.finish(results, distributions, request.with_published, console)
    return results


@dataclass(frozen=True)
class _Evaluated:
    """What is evaluated: score maps, the network behind them if there is one, and what its scores were fitted on."""

    source: ScoreSource
    segmenter: Segmenter | None
    fits: Mapping[str, FitRecord]
    warnings: Sequence[str]


def _of_network(
    request: EvaluationRequest,
    datasets: Sequence[SampleSet],
    fit_set: SampleSet | None,
    console: Console,
    clock: Clock,
) -> _Evaluated:
    """Load the network and fit its scores."""
    if request.network is None:
        raise ValueError("there is neither a network nor a folder of score maps")
    with clock.section("load"):
        segmenter = request.network.load()
    closed_sets = [samples for samples in datasets if samples.card.task == "closed_set"]
    for samples in closed_sets:
        check_same_classes(samples, segmenter.classes)
    scores = _scores(request, segmenter) if len(closed_sets) < len(datasets) else []
    fits = _fit(scores, segmenter, fit_set, request.statistics, console, clock)
    fits |= {score.name: segmenter.fits[score.name] for score in scores if score.name in segmenter.fits}
    scores, warnings = _drop_unfitted(scores)
    _check_kept(request, scores)
    return _Evaluated(NetworkScores(segmenter, scores), segmenter, fits, warnings)


def _of_maps(maps: MapsOnDisk) -> _Evaluated:
    return _Evaluated(maps, None, maps.fits, maps.warnings)


def _conventions(measures: Measures, maps: MapsOnDisk | None) -> Conventions:
    conventions = Conventions(fpr95=FPR95_CONVENTIONS[measures.fpr_convention])
    known = maps is None or maps.all_saved
    return conventions if known else conventions.model_copy(update={"class_maps": UNKNOWN_CLASS_MAPS})


def _check_options(request: EvaluationRequest) -> None:
    """Refuse options that contradict each other or the scores asked for, before anything is loaded."""
    _check_source(request)
    if request.measures.component_threshold is not None and request.measures.components is None:
        raise InputError("--component-threshold is about component metrics; add --components, or leave it out.")
    if request.measures.component_threshold is not None and math.isnan(request.measures.component_threshold):
        raise InputError("--component-threshold must be a number.")
    if request.statistics is not None and request.fit_dataset is not None:
        raise InputError("--stats and --fit-dataset exclude each other; give one of them.")
    everything = frozenset(field.name for field in fields(Prediction))
    scores = [_configured(score, request.sml_without) for score in choose_scores(request.scores, everything)]
    if request.sml_without and not any(isinstance(score, SML) for score in scores):
        raise InputError("--sml-without changes sml, which is not among --scores; add it or leave the option out.")
    unfitted = [score.name for score in scores if isinstance(score, FittedScore) and not score.fitted]
    if request.scores is not None and unfitted and request.statistics is None and request.fit_dataset is None:
        raise InputError(f"the score {unfitted[0]} needs statistics of the training data: {_REMEDY}.")


def _check_source(request: EvaluationRequest) -> None:
    """Refuse a run without anything to evaluate, with two things, and with score maps and options of a network."""
    if (request.network is None) == (request.maps is None):
        both = "--ckpt and --score-maps exclude each other" if request.maps else "there is nothing to evaluate"
        raise InputError(f"{both}; give --ckpt FILE for a network, or --score-maps FOLDER for finished score maps.")
    if request.maps is None:
        return
    refuse_network_options(
        {
            "--scores": request.scores,
            "--fit-dataset": request.fit_dataset,
            "--stats": request.statistics,
            "--sml-without": request.sml_without,
            "--protocol": request.protocol,
            "--save-scores": request.save_scores,
        }
    )
    out = request.out.resolve()
    for folder in request.maps.folders:
        if request.overwrite and folder.resolve().is_relative_to(out):
            raise InputError(f"--overwrite would delete the score maps in {folder}; choose another --out than {out}.")


def _find_all(references: Sequence[str], data_root: Path | None) -> list[SampleSet]:
    """Find the datasets; one that is named twice is evaluated once."""
    found: dict[str, SampleSet] = {}
    for reference in references:
        samples = find_dataset(reference, data_root)
        if found.setdefault(samples.spec, samples).card.sha256 != samples.card.sha256:
            raise InputError(f"two different dataset cards are called {samples.spec}; rename one of them in its card.")
    return list(found.values())


def _check_tasks(request: EvaluationRequest, tasks: set[Task]) -> None:
    """Refuse options for a kind of dataset that is not among the datasets."""
    of_anomalies = {
        "--scores": request.scores is not None,
        "--fit-dataset": request.fit_dataset is not None,
        "--stats": request.statistics is not None,
        "--sml-without": bool(request.sml_without),
        "--save-scores": request.save_scores is not None,
        "--heatmaps": request.heatmaps != 0,
        "--figures": request.figures,
        "--bootstrap": request.measures.resamples > 0,
        "--per-image": request.measures.per_image,
        "--components": request.measures.components is not None,
        "--fpr95": request.measures.fpr_convention != "first_geq",
    }
    given = [name for name, is_given in of_anomalies.items() if is_given]
    if given and "anomaly" not in tasks:
        raise InputError(
            f"{given[0]} is about anomalies, but --dataset names only closed-set datasets, on which nothing can be "
            f"ranked; leave it out, or add an anomaly dataset."
        )
    if request.maps is not None and "closed_set" in tasks:
        raise InputError(
            "--score-maps are about anomalies, and closed-set datasets need a network's classes; give --ckpt for them."
        )
    if request.protocol is not None and "closed_set" not in tasks:
        raise InputError(
            "--protocol is about closed-set datasets, and none is among --dataset; leave it out, or add one."
        )


def _scores(request: EvaluationRequest, segmenter: Segmenter) -> list[Score]:
    return [_configured(score, request.sml_without) for score in choose_scores(request.scores, segmenter.provides)]


def _configured(score: Score, sml_without: Sequence[str]) -> Score:
    if not isinstance(score, SML):
        return score
    steps = {"standardisation", "suppression", "smoothing"}
    if unknown := set(sml_without) - steps:
        raise InputError(f"SML has no step {sorted(unknown)[0]!r}; --sml-without takes {', '.join(sorted(steps))}.")
    return SML(
        standardise="standardisation" not in sml_without,
        suppress="suppression" not in sml_without,
        smoothing="smoothing" not in sml_without,
    )


def _fit(
    scores: Sequence[Score],
    segmenter: Segmenter,
    fit_set: SampleSet | None,
    statistics: Path | None,
    console: Console,
    clock: Clock,
) -> dict[str, FitRecord]:
    """Give the scores that learn their statistics, from a file or by fitting; a file comes first."""
    unfitted = [score for score in scores if isinstance(score, FittedScore) and not score.fitted]
    records: dict[str, FitRecord] = {}
    if statistics is not None:
        records |= load_statistics(statistics, segmenter.describe(), unfitted)
        unfitted = [score for score in unfitted if not score.fitted]
    if fit_set is not None and unfitted:
        records |= fit_scores(segmenter, fit_set, unfitted, console, clock)
    return records


def _drop_unfitted(scores: Sequence[Score]) -> tuple[list[Score], list[str]]:
    """Leave out scores without statistics, with a warning."""
    missing = [score.name for score in scores if isinstance(score, FittedScore) and not score.fitted]
    kept = [score for score in scores if score.name not in missing]
    return kept, [f"left out for want of statistics: {', '.join(missing)} ({_REMEDY})"] if missing else []


def _check_kept(request: EvaluationRequest, scores: Sequence[Score]) -> None:
    """Refuse to go on where a score that was asked for by name is not in the file of statistics."""
    kept = {type(score).name for score in scores}
    lost = [name for name in request.scores or () if name not in kept]
    if lost:
        raise InputError(f"{request.statistics} holds no statistics of {lost[0]}; fit it, or leave it out of --scores.")


def _sizes(record: DatasetRecord) -> str:
    """Say which sizes the images have instead of the card's."""
    found = ", ".join(f"{width}x{height}" for width, height in record.image_sizes)
    width, height = record.expected_size or (0, 0)
    return f"images of {found} instead of {width}x{height}; its numbers are not those of the original images"


def _bootstrap_text(measures: Measures) -> str | None:
    """Say how the intervals came about, None where there are none."""
    if not measures.resamples:
        return None
    return f"middle 95 % of {measures.resamples} resamples of the images of each dataset, seed {measures.seed}"
