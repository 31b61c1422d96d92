"""What one evaluation needs before its first image: datasets, and a network with fitted scores, or score maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from anomaly_eval.datasets.samples import SampleSet, find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import check_same_classes
from anomaly_eval.evaluation.contradictions import FITTING, check_options, check_tasks
from anomaly_eval.evaluation.fit import fit_scores, fits_of_network
from anomaly_eval.evaluation.journal.fingerprint import Fingerprint, fingerprint_of
from anomaly_eval.evaluation.journal.run_journal import RunJournal
from anomaly_eval.evaluation.operating_points import check_fit_set
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.averaged import AveragedScores
from anomaly_eval.score_maps.disk import MapsOnDisk
from anomaly_eval.score_maps.negated import Negated
from anomaly_eval.score_maps.source import NetworkScores, ScoreSource
from anomaly_eval.scores import Score, choose_scores, provided, unfitted
from anomaly_eval.scores.statistics_file import load_statistics
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.mean_probabilities import MeanProbabilities
from anomaly_eval.segmenters.sharing import SharedSegmenter
from anomaly_eval.segmenters.views import Views


@dataclass(frozen=True)
class Inputs:
    """The datasets to evaluate, and the one to fit scores on."""

    datasets: Sequence[SampleSet]
    fit_set: SampleSet | None


@dataclass(frozen=True)
class Evaluated:
    """What is evaluated: score maps, the network behind them if there is one, and what its scores were fitted on."""

    source: ScoreSource
    segmenter: Segmenter | None
    fits: Mapping[str, FitRecord]
    warnings: Sequence[str]
    maps: MapsOnDisk | None = None
    """The files behind the score maps, if there are any."""
    views: Sequence[Segmenter] = ()
    """How the network looks at images, or the network itself; empty where there is none."""
    scores: Sequence[Score] = ()
    """Those of the network, with what they learnt."""
    fingerprint: Fingerprint | None = None
    """What its records depend on; None where nothing is kept."""


def find_inputs(request: EvaluationRequest) -> Inputs:
    """Check the options and find the datasets; raises InputError for what could not be evaluated."""
    check_options(request)
    datasets = _find_all(request)
    check_tasks(request, {samples.card.task for samples in datasets})
    for samples in datasets:
        if samples.card.task == "anomaly":
            request.measures.track_for(samples)
    fit_set = find_dataset(request.fit_dataset, request.data_root) if request.fit_dataset else None
    return Inputs(datasets, fit_set)


def of_network(
    request: EvaluationRequest, inputs: Inputs, console: Console, clock: Clock, journal: RunJournal
) -> Evaluated:
    """Load the network, begin the journal, and fit the scores or take up what they learnt before."""
    network = request.network
    if network is None:
        raise ValueError("there is neither a network nor a folder of score maps")
    with clock.section("load"):
        segmenter = network.load()
    closed_sets = [samples for samples in inputs.datasets if samples.card.task == "closed_set"]
    for samples in closed_sets:
        check_same_classes(samples, segmenter)
    views = _views(request, segmenter)
    # A mask classifier has no probabilities to average, which only classes need.
    tested = MeanProbabilities(views) if request.tta and closed_sets else views[0]
    shipped = request.shipped_statistics
    statistics = request.given_statistics or shipped
    ranked = len(closed_sets) < len(inputs.datasets)
    names = _own_names(request, segmenter)
    scores = choose_scores(names, segmenter.provides, request.chosen_options) if ranked else []
    if ranked and not request.among_several:
        request.measures.check_methods([score.name for score in scores])
    fingerprint = None
    if journal.wanted:
        fingerprint = fingerprint_of(
            network,
            segmenter,
            scores,
            datasets=inputs.datasets,
            fit_set=inputs.fit_set,
            statistics=statistics,
            protocol=request.protocol or "card",
            tta=str(Views.parse(request.tta)) if request.tta else None,
        )
        journal.begin(fingerprint, request.overwrite, inputs.datasets, inputs.fit_set)
    fits: dict[str, FitRecord] = {}
    # A file comes before fitting.
    if statistics is not None:
        vouched = shipped is not None
        fits |= load_statistics(statistics, segmenter.describe(), unfitted(scores), vouched=vouched)
    if inputs.fit_set is not None and (lacking := unfitted(scores)):
        if request.measures.thresholds is not None:
            # Before hours go by.
            files = journal.fit.files_sha256 if journal.fit is not None else None
            check_fit_set(request.measures.thresholds, [score.name for score in lacking], inputs.fit_set, files)
        fits |= fit_scores(segmenter, inputs.fit_set, lacking, console, clock, journal.fit)
    of_mixtures = fits_of_network(segmenter, scores)
    fits |= of_mixtures
    scores, warnings = _drop_unfitted(scores)
    warnings += _other_inputs(of_mixtures, segmenter.describe())
    _check_kept(names or (), scores, statistics)
    source = Negated(_scores_of(views, scores, tested), request.measures.negate)
    return Evaluated(source, tested, fits, warnings, views=views, scores=scores, fingerprint=fingerprint)


def _own_names(request: EvaluationRequest, segmenter: Segmenter) -> Sequence[str] | None:
    """Return the scores asked for; of several networks, each has those that it provides."""
    if request.scores is None or not request.among_several:
        return request.scores
    names = provided(request.scores, segmenter.provides)
    if not names:
        raise InputError(
            f"{segmenter.describe().checkpoint} provides none of {', '.join(request.scores)}; leave it out, or choose "
            f"others with --scores."
        )
    return names


def _views(request: EvaluationRequest, segmenter: Segmenter) -> list[Segmenter]:
    """Return how a network looks at images; in an ensemble, each view runs once an image for all that ask for it."""
    if request.tta:
        views = Views.parse(request.tta).of(segmenter)
        return [view.shared() if request.ensemble else view for view in views]
    return [SharedSegmenter(segmenter) if request.ensemble else segmenter]


def _scores_of(views: Sequence[Segmenter], scores: Sequence[Score], tested: Segmenter) -> ScoreSource:
    """Return the scores of a network as it looks at images; of one whose classes alone are tested, none."""
    if len(views) > 1 and scores:
        return AveragedScores(views, scores)
    return NetworkScores(views[0] if scores else tested, scores)


def of_maps(request: EvaluationRequest, maps: MapsOnDisk) -> Evaluated:
    """Take score maps from files."""
    request.measures.check_methods(maps.methods)
    return Evaluated(Negated(maps, request.measures.negate), None, maps.fits, maps.warnings, maps)


def _find_all(request: EvaluationRequest) -> list[SampleSet]:
    """Find the datasets; one that is named twice is evaluated once."""
    found: dict[str, SampleSet] = {}
    for reference in request.datasets:
        samples = find_dataset(reference, request.data_root)
        # Before the network has looked at all images; of thresholds that are given, false alarms can be measured.
        if samples.card.task == "anomaly" and request.measures.thresholds is None:
            samples.check_masks()
        if found.setdefault(samples.spec, samples).card.sha256 != samples.card.sha256:
            raise InputError(f"two different dataset cards are called {samples.spec}; rename one of them in its card.")
    return list(found.values())


def _drop_unfitted(scores: Sequence[Score]) -> tuple[list[Score], list[str]]:
    """Leave out scores without statistics, with a warning."""
    missing = [score.name for score in unfitted(scores)]
    kept = [score for score in scores if score.name not in missing]
    return kept, [f"left out for want of statistics: {', '.join(missing)} ({FITTING})"] if missing else []


def _other_inputs(fits: Mapping[str, FitRecord], model: ModelRecord) -> list[str]:
    """Warn of mixtures that were fitted after training at another input than that of now."""
    others = {name: fit.input_note for name, fit in fits.items() if fit.input_note not in (None, model.input_note)}
    return [
        f"the mixtures behind {', '.join(name for name, one in others.items() if one == note)} were fitted at {note}, "
        f"and the network runs at {model.input_note}; give the same --resize"
        for note in dict.fromkeys(others.values())
    ]


def _check_kept(names: Sequence[str], scores: Sequence[Score], statistics: Path | None) -> None:
    """Refuse to go on where a score that was asked for by name is not in the file of statistics."""
    kept = {type(score).name for score in scores}
    lost = [name for name in names if name not in kept]
    if lost:
        raise InputError(f"{statistics} holds no statistics of {lost[0]}; fit it, or leave it out of --scores.")
