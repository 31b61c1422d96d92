"""One run of `gmmseg-anomaly eval`: from a checkpoint and datasets on disk to a folder of results."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from anomaly_eval.benchmark import DEFAULT_MEASURES, AnomalyFindings, Observer, evaluate_dataset
from anomaly_eval.cards import Task
from anomaly_eval.clock import Clock, peak_memory_mb
from anomaly_eval.closed_set import check_same_classes, evaluate_closed_set
from anomaly_eval.errors import InputError
from anomaly_eval.fitting import fit_scores, load_statistics
from anomaly_eval.measures import Measures
from anomaly_eval.network import NetworkRequest
from anomaly_eval.outputs import prepare_output
from anomaly_eval.prediction import Prediction, Segmenter
from anomaly_eval.progress import progress_bar
from anomaly_eval.protocol import ProtocolChoice
from anomaly_eval.reports.heatmaps import HeatmapStore, choose_evenly
from anomaly_eval.reports.methods import method_name
from anomaly_eval.reports.tables import write_tables
from anomaly_eval.results import (
    FPR95_CONVENTIONS,
    ClosedSetClassRow,
    ClosedSetRow,
    Conventions,
    DatasetRecord,
    FitRecord,
    Provenance,
    Results,
    Timing,
)
from anomaly_eval.samples import Sample, SampleSet, find_dataset
from anomaly_eval.scores import FittedScore, Score, choose_scores
from anomaly_eval.scores.sml import SML

_REMEDY = "give --fit-dataset NAME, or --stats FILE as written by `gmmseg-anomaly fit`"


@dataclass(frozen=True)
class EvaluationRequest:
    """All that one evaluation depends on."""

    network: NetworkRequest
    datasets: Sequence[str]
    out: Path
    data_root: Path | None = None
    scores: Sequence[str] | None = None
    fit_dataset: str | None = None
    statistics: Path | None = None
    sml_without: Sequence[str] = ()
    heatmaps: int | None = 0
    """How many images of each dataset get heatmaps; None is all."""
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
        fit_set = find_dataset(request.fit_dataset, request.data_root) if request.fit_dataset else None
    with prepare_output(request.out, request.overwrite) as output:
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
        warnings += [f"{samples.spec}: {_incomplete(samples)}" for samples in datasets if not samples.complete]
        for warning in warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
        anomaly_findings: list[AnomalyFindings] = []
        closed_set: list[ClosedSetRow] = []
        closed_set_classes: list[ClosedSetClassRow] = []
        records: list[DatasetRecord] = []
        with HeatmapStore(output.path) as store:
            observer = _heatmap_observer(store, datasets, request.heatmaps)
            for samples in datasets:
                if samples.card.task == "closed_set":
                    findings = evaluate_closed_set(segmenter, samples, console, clock, request.protocol or "card")
                    record = findings.record
                    closed_set.append(findings.row)
                    closed_set_classes += findings.classes
                else:
                    found = evaluate_dataset(segmenter, samples, scores, console, clock, observer, request.measures)
                    record = found.record
                    anomaly_findings.append(found)
                    warnings += found.warnings
                records.append(record)
                if not record.expected_sizes_only:
                    warnings.append(f"{samples.spec}: {_sizes(record)}")
            with clock.section("output"):
                _draw_heatmaps(store, output.path, console, records, scores)
        results = Results(
            rows=[row for found in anomaly_findings for row in found.rows],
            intervals=[row for found in anomaly_findings for row in found.intervals],
            differences=[row for found in anomaly_findings for row in found.differences],
            per_image=[row for found in anomaly_findings for row in found.per_image],
            components=[row for found in anomaly_findings for row in found.components],
            closed_set=closed_set,
            closed_set_classes=closed_set_classes,
            datasets=records,
            conventions=Conventions(fpr95=FPR95_CONVENTIONS[request.measures.fpr_convention]),
            provenance=Provenance(
                command=shlex.join(request.command),
                started=started,
                versions=_versions(),
                platform=platform.platform(),
                model=segmenter.describe(),
                fits=fits,
                bootstrap=_bootstrap_text(request.measures),
            ),
            timing=_timing(clock),
            warnings=warnings,
        )
        (output.path / "results.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_tables(results, output.path, request.with_published)
    return results


def _check_options(request: EvaluationRequest) -> None:
    """Refuse options that contradict each other or the scores asked for, before anything is loaded."""
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
        "--heatmaps": request.heatmaps != 0,
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


def _incomplete(samples: SampleSet) -> str:
    found, expected = len(samples.samples), samples.expected_images
    return f"{found} images found instead of {expected}; its numbers are not those of the whole set"


def _heatmap_observer(store: HeatmapStore, datasets: Sequence[SampleSet], count: int | None) -> Observer | None:
    if count == 0:
        return None
    chosen = {
        samples.spec: set(choose_evenly([sample.id for sample in samples.samples], count or len(samples.samples)))
        for samples in datasets
    }

    def keep(
        samples: SampleSet,
        sample: Sample,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        maps: Mapping[str, NDArray[np.float32]],
    ) -> None:
        if sample.id in chosen[samples.spec]:
            for method, values in maps.items():
                store.add(samples.spec, method, sample.id, image, label, values)

    return keep


def _draw_heatmaps(
    store: HeatmapStore, folder: Path, console: Console, records: Sequence[DatasetRecord], scores: Sequence[Score]
) -> None:
    names = {score.name: method_name(score.name) for score in scores}
    titles = {record.name: record.title for record in records}
    with progress_bar(console, "heatmaps", store.count) as advance:
        store.draw(folder, names, titles, lambda done, total: advance())


def _bootstrap_text(measures: Measures) -> str | None:
    """Say how the intervals came about, None where there are none."""
    if not measures.resamples:
        return None
    return f"middle 95 % of {measures.resamples} resamples of the images of each dataset, seed {measures.seed}"


def _timing(clock: Clock) -> Timing:
    spent = clock.seconds
    return Timing(
        load=spent["load"],
        input=spent["input"],
        fit=spent["fit"],
        forward=spent["forward"],
        scores=spent["scores"],
        metrics=spent["metrics"],
        output=spent["output"],
        total=clock.total,
        peak_memory_mb=peak_memory_mb(),
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in (
        "gmmseg-anomaly",
        "torch",
        "numpy",
        "mmsegmentation",
        "mmengine",
        "mmcv",
        "mmcv-lite",
        "pillow",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
