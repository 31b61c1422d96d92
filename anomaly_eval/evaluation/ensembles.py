"""The means of several networks: of their probabilities, and of their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from anomaly_eval.datasets.cards import Task
from anomaly_eval.evaluation.fit import fits_of_network
from anomaly_eval.evaluation.inputs import Evaluated
from anomaly_eval.evaluation.journal.fingerprint import Fingerprint
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.score_maps.means import MeanScores
from anomaly_eval.score_maps.negated import Negated
from anomaly_eval.score_maps.source import NetworkScores
from anomaly_eval.scores import FittedScore, Score, choose_scores, provided
from anomaly_eval.segmenters.mean_probabilities import MeanProbabilities

OF_PROBABILITIES, OF_SCORES = "mean of probabilities", "mean of scores"


def ensembles(request: EvaluationRequest, tasks: set[Task], members: Sequence[Evaluated]) -> dict[str, Evaluated]:
    """Return what is evaluated of several networks together, by the names that tables call it.

    Networks weigh alike, and their views. The mean of probabilities has the scores that probabilities are enough for,
    and classes; that of scores has those that all networks have. What datasets of these tasks ask nothing of is left
    out. Raises InputError for networks of other classes, for mask classifiers, which have no probabilities, and where
    there is no score to average.
    """
    found: dict[str, Evaluated] = {}
    probabilities = MeanProbabilities([view for member in members for view in member.views])
    scores = _of_probabilities(request, probabilities) if "anomaly" in tasks else []
    if scores or "closed_set" in tasks:
        source = Negated(NetworkScores(probabilities, scores), request.measures.negate)
        found[OF_PROBABILITIES] = Evaluated(source, probabilities, fits_of_network(probabilities, scores), ())
    if "anomaly" in tasks:
        found[OF_SCORES] = _of_scores(members)
    return found


def _of_probabilities(request: EvaluationRequest, mean: MeanProbabilities) -> list[Score]:
    """Return the scores asked for, or all usual ones, that probabilities are enough for."""
    wanted = None if request.scores is None else provided(request.scores, mean.provides)
    return choose_scores(wanted, mean.provides, request.chosen_options)


def _of_scores(members: Sequence[Evaluated]) -> Evaluated:
    source = MeanScores([member.source for member in members])
    lacking = dict.fromkeys(name for one in members for name in one.source.methods if name not in source.methods)
    warnings = [f"not averaged, as not all networks have them: {', '.join(lacking)}"] if lacking else []
    if len({"log_density" in member.views[0].provides for member in members}) > 1:
        warnings.append(
            "scores of GMMSeg networks and of softmax networks have scales of their own, so that their mean says most "
            "of one kind"
        )
    fits = {name: _fit(name, members) for name in source.methods if name in members[0].fits}
    return Evaluated(source, None, fits, warnings)


def _fit(method: str, members: Sequence[Evaluated]) -> FitRecord:
    """Return what a score of the first network learnt from, with the notes of all, and what others learnt from."""
    found = [member.fits[method] for member in members if method in member.fits]
    notes = list(dict.fromkeys(note for fit in found for note in fit.notes))
    sets = dict.fromkeys(fit.dataset for fit in found[1:] if fit.files_sha256 != found[0].files_sha256)
    return found[0].model_copy(update={"notes": [*notes, *(f"another network learnt from {name}" for name in sets)]})


def ensemble_fingerprint(ensemble: Evaluated, members: Sequence[Evaluated]) -> Fingerprint | None:
    """Return the fingerprint of an ensemble: that of a network which is made of all; None where a member has none."""
    known = [member.fingerprint for member in members if member.fingerprint is not None]
    if len(known) < len(members):
        return None
    texts = [fingerprint.sha256 for fingerprint in known] + [_learnt(member) for member in members]
    return known[0].model_copy(
        update={
            "checkpoint_sha256": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
            "scores": list(ensemble.source.methods),
        }
    )


def _learnt(member: Evaluated) -> str:
    """Return a hash of what the scores of a network learnt, which a second fit on a GPU need not find again."""
    found = hashlib.sha256()
    for score in member.scores:
        if isinstance(score, FittedScore):
            for name, values in sorted(score.state().items()):
                found.update(f"{score.name} {name}\n".encode() + values.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
