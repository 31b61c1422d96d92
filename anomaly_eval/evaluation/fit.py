"""Fitting scores on in-distribution images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.samples import Sample, SampleSet, find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import differing_names, unchecked_order
from anomaly_eval.evaluation.fit_request import FitRequest
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.fingerprint import fingerprint_of
from anomaly_eval.evaluation.journal.fit_journal import FitJournal
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.run_journal import RunJournal
from anomaly_eval.evaluation.processes.team import Team, wait_for_others
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import open_console, warn
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import remove_partial_files
from anomaly_eval.scores import SCORES, FittedScore, Score, choose_scores
from anomaly_eval.scores.base import ObservedMoments, sources
from anomaly_eval.scores.statistics_file import save_statistics
from anomaly_eval.segmenters.base import Segmenter, predict
from gmmseg.class_names import plain_name


def run_fit(request: FitRequest, console: Console, team: Team | None = None) -> dict[str, FitRecord]:
    """Fit, write the statistics file, and return what each score learnt from; as the first of a team, if there is one.

    A run that was interrupted goes on from its journal; see `anomaly_eval.evaluation.journal`.
    """
    samples = find_dataset(request.dataset, request.data_root)
    folder = JournalFolder(request.out, fit_set=samples)
    folder.sweep_copied()
    check_out(request.out, request.overwrite)
    refuse_lost_inputs(request)
    with folder.locked():
        remove_partial_files(folder.target)
        with RunJournal(folder, console, wanted=request.journal, team=team) as journal:
            segmenter, scores, records = _fitted(request, samples, console, journal)
            # Hours may have passed since the first check.
            check_out(request.out, request.overwrite)
            save_statistics(request.out, segmenter.describe(), scores, records)
        if team is not None:
            wait_for_others(team, console)
        if request.journal:
            folder.delete()
    return records


def contribute_to_fit(request: FitRequest, team: Team) -> None:
    """Do a share of a fit that the first process of a team collects; raises InputError as it does."""
    samples, console = find_dataset(request.dataset, request.data_root), open_console(quiet=True)
    with RunJournal(JournalFolder(request.out, fit_set=samples), console, wanted=request.journal, team=team) as journal:
        _fitted(request, samples, console, journal)


def _fitted(
    request: FitRequest, samples: SampleSet, console: Console, journal: RunJournal
) -> tuple[Segmenter, list[FittedScore], dict[str, FitRecord]]:
    """Load the network and fit the scores, or do a share of it."""
    segmenter = request.network.load()
    scores = _chosen(request, segmenter)
    if journal.wanted:
        fingerprint = fingerprint_of(request.network, segmenter, scores, fit_set=samples)
        journal.begin(fingerprint, request.overwrite, [], samples)
    return segmenter, scores, fit_scores(segmenter, samples, scores, console, Clock(), journal.fit)


def _chosen(request: FitRequest, segmenter: Segmenter) -> list[FittedScore]:
    learners = [name for name, kind in SCORES.items() if issubclass(kind, FittedScore)]
    names = (
        request.scores
        if request.scores is not None
        else [name for name in learners if SCORES[name].by_default and SCORES[name].source_among(segmenter.provides)]
    )
    scores = []
    for score in choose_scores(names, segmenter.provides):
        if not isinstance(score, FittedScore):
            raise InputError(f"the score {score.name} learns nothing; only {' and '.join(learners)} can be fitted.")
        scores.append(score)
    if not scores:
        raise InputError(
            f"{segmenter.describe().checkpoint} gives nothing that {', '.join(learners)} learn from; its scores need "
            f"no fitting."
        )
    return scores


def fits_of_network(segmenter: Segmenter, scores: Sequence[Score]) -> dict[str, FitRecord]:
    """Return what scores that learn nothing themselves owe to mixtures which were fitted after training, by score."""
    owing = (score for score in scores if not isinstance(score, FittedScore))
    return {score.name: segmenter.fits[score.source] for score in owing if score.source in segmenter.fits}


def check_out(path: Path, overwrite: bool) -> None:
    """Refuse a place where the file cannot be put, before the time of fitting is spent."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(
            f"{path} cannot be written: it is a folder, or its folder does not exist; choose another --out."
        )
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another --out or pass --overwrite.")


def fit_scores(
    segmenter: Segmenter,
    samples: SampleSet,
    scores: Sequence[FittedScore],
    console: Console,
    clock: Clock,
    journal: FitJournal | None = None,
) -> dict[str, FitRecord]:
    """Fit the scores in one pass over a closed-set dataset; return what each learnt from, by score name.

    With a journal, take up what they learnt before, go on from the images that are added up already, and share the
    others with the processes of its team. Images add to the sums in their order, whoever looked at them, so that the
    bits are the same.
    """
    classes = check_classes(samples, segmenter)
    for warning in unchecked_order(samples, segmenter):
        warn(console, warning)
    model, team = segmenter.describe(), None if journal is None else journal.team
    compute = _moments_of(segmenter.with_outputs(sources(scores, segmenter.provides)), scores, clock)
    passes, kept = Passes(console, clock, team), None if journal is None else journal.records
    if journal is not None and team is not None and not team.first:
        start = journal.begun()
        if start is not None:
            passes.contribute(_from(samples, start), compute, kept)
        return journal.learnt(model, scores, fitted_now=start is not None)
    known = journal.known(model, scores) if journal is not None else None
    if known is not None:
        return known
    done, sums = journal.begin() if journal is not None else (0, {})
    moments = {score.name: _of_score(score, sums) for score in scores} if done else {}

    def take(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8], arrays: Arrays) -> None:
        nonlocal done
        for score in scores:
            more = _of_score(score, arrays)
            moments[score.name] = score.merge(moments[score.name], more) if score.name in moments else more
        done += 1
        if journal is not None:
            journal.keep(done, _arrays(moments))

    passes.first(_from(samples, done), f"fitting on {samples.spec}", [Work(compute, take, records=kept)])
    with clock.section("fit"):
        records = _records(segmenter, samples, scores, moments, classes, journal)
    if journal is not None:
        journal.finish(model, scores, records)
    return records


def _from(samples: SampleSet, start: int) -> SampleSet:
    """Return a dataset without its first images."""
    return replace(samples, samples=samples.samples[start:])


def _moments_of(segmenter: Segmenter, scores: Sequence[FittedScore], clock: Clock) -> Compute:
    """Return what computes the moments that an image adds to each score, named as in `_arrays`."""

    def compute(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> Arrays:
        with clock.section("fit"), torch.inference_mode():
            prediction = predict(segmenter, image, sample.image)
            return _arrays({score.name: score.observe(prediction, label, sample.id) for score in scores})

    return compute


def _arrays(moments: Mapping[str, ObservedMoments]) -> dict[str, NDArray[Any]]:
    """Write the moments of several scores as arrays with names such as `sml.origin`."""
    return {f"{score}.{name}": values.numpy() for score, sums in moments.items() for name, values in sums.items()}


def _of_score(score: FittedScore, arrays: Arrays) -> ObservedMoments:
    """Return the moments of one score from arrays named so."""
    prefix = f"{score.name}."
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): torch.from_numpy(arrays[name]) for name in names}


def check_classes(samples: SampleSet, segmenter: Segmenter) -> Sequence[str]:
    """Return the classes of a closed-set dataset; raise InputError where the network has another number of them."""
    classes = samples.card.classes
    if classes is None:
        raise InputError(
            f"{samples.spec} has no class labels, so nothing can be fitted on it; fit on the training set of the "
            f"network, e.g. cityscapes."
        )
    if len(classes) != len(segmenter.classes):
        raise InputError(
            f"{samples.spec} has {len(classes)} classes, the network {len(segmenter.classes)}; fit on the dataset that "
            f"the network was trained on."
        )
    differing = differing_names(classes, segmenter)
    # Other words for the same classes are told in the notes; the same words in another order are no such thing.
    same = sorted(plain_name(ours) for _, ours, _ in differing) == sorted(plain_name(name) for *_, name in differing)
    if differing and same:
        index, ours, theirs = differing[0]
        raise InputError(
            f"{samples.spec} has the classes of the network in another order: class {index} is {ours!r} in the dataset "
            f"and {theirs!r} in the network; fit on the dataset that the network was trained on."
        )
    return classes


def _records(
    segmenter: Segmenter,
    samples: SampleSet,
    scores: Sequence[FittedScore],
    moments: Mapping[str, ObservedMoments],
    classes: Sequence[str],
    journal: FitJournal | None,
) -> dict[str, FitRecord]:
    """Finish the scores and say what they learnt from."""
    files = (journal.files_sha256 if journal is not None else None) or samples.files_sha256()
    records = {}
    for score in scores:
        try:
            notes = score.finish(moments[score.name], segmenter.classes)
        except (ValueError, InputError) as error:
            if journal is not None:
                journal.give_up()
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{score.name} cannot be fitted on {samples.spec}: {error}; fit on other images, or another network."
            ) from error
        records[score.name] = FitRecord(
            dataset=samples.spec,
            n_images=len(samples.samples),
            expected_images=samples.expected_images,
            files_sha256=files,
            notes=notes + class_name_notes(classes, segmenter),
        )
    return records


def class_name_notes(of_dataset: Sequence[str], segmenter: Segmenter) -> list[str]:
    """Note where the class names of the fitting set and the network differ, as order cannot be checked then."""
    differing = [f"{ours}/{theirs}" for _, ours, theirs in differing_names(of_dataset, segmenter)]
    return [f"class names of dataset and network differ: {', '.join(differing)}"] if differing else []
