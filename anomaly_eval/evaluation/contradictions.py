"""Which options of an evaluation contradict each other, the scores asked for, or the datasets."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_eval.datasets.cards import Task
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.operating_points import parse_goals
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.results.thresholds import read_thresholds
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.option_fields import flag, given_flags
from anomaly_eval.scores import Score, choose_scores, score_options, unfitted
from anomaly_eval.segmenters.base import ALL_OUTPUTS
from anomaly_eval.segmenters.views import Views

FITTING = "give --fit-dataset NAME, or --stats FILE as written by `gmmseg-anomaly fit`"
_OF_SCORES = ("scores", "fit_dataset", "statistics", "save_scores")
_OF_NETWORKS = (
    *("config", "resize", "device", "window_batch", "imports", "known_classes", "mean", "std", "colours", "launcher"),
    *(*_OF_SCORES, "protocol", "tta", "ensemble"),
)
_OF_ANOMALIES = (
    *(*_OF_SCORES, "heatmaps", "figures", "resamples", "per_image", "components", "negate", "fpr_convention"),
    *("operating_points", "thresholds"),
)


def check_options(request: EvaluationRequest) -> None:
    """Refuse options that contradict each other or the scores asked for, before anything is loaded."""
    measures = request.measures
    if measures.seed is not None and not measures.resamples:
        raise InputError("--seed is that of the resamples; add --bootstrap NUMBER, or leave it out.")
    _check_source(request)
    refuse_lost_inputs(request)
    for name, values in {"--config": request.config, "--stats": request.statistics}.items():
        if len(values) > 1:
            raise InputError(f"{name} gives {len(values)} values for one network; give one of them.")
    if request.tta:
        Views.parse(request.tta)
    if request.ensemble is not None and request.launcher != "none":
        raise InputError(
            "--ensemble is for one process, which looks at an image with all networks; leave out --launcher."
        )
    measures.check()
    if measures.negate and request.save_scores is not None:
        raise InputError(
            "--save-scores keeps scores as their methods define them; leave out --negate, and give it when the score "
            "maps are evaluated."
        )
    parse_goals(measures.operating_points)
    if measures.thresholds is not None:
        read_thresholds(measures.thresholds)
    if request.statistics and request.fit_dataset is not None:
        raise InputError("--stats and --fit-dataset exclude each other; give one of them.")
    scores = choose_scores(request.scores, ALL_OUTPUTS, request.chosen_options)
    known = score_options()
    for name in request.chosen_options:
        kind, _ = known[name]
        if not any(isinstance(score, kind) for score in scores):
            raise InputError(
                f"{flag(name)} changes {kind.name}, which is not among --scores; add it or leave the option out."
            )
    if request.scores is not None:
        _check_fitting(request, scores)


def _check_fitting(request: EvaluationRequest, scores: Sequence[Score]) -> None:
    """Refuse scores that lack what they would learn from, and what there is to learn from for scores that do not."""
    lacking = unfitted(scores)
    sources = ["--stats"] if request.given_statistics is not None else []
    sources += ["--fit-dataset"] if request.fit_dataset is not None else []
    if sources and not lacking:
        names = ", ".join(score.name for score in scores)
        raise InputError(f"{sources[0]} is for scores that learn, and none of {names} does; leave it out, or add one.")
    if lacking and not sources and request.shipped_statistics is None:
        network = f" of {request.network.given.path}" if request.network is not None else ""
        raise InputError(f"the score {lacking[0].name} needs statistics of the training data{network}: {FITTING}.")


def check_tasks(request: EvaluationRequest, tasks: set[Task]) -> None:
    """Refuse options for a kind of dataset that is not among the datasets."""
    if "anomaly" not in tasks:
        for option in _given(request, _OF_ANOMALIES):
            raise InputError(
                f"{option} is about anomalies, but --dataset names only closed-set datasets, on which nothing can be "
                f"ranked; leave it out, or add an anomaly dataset."
            )
    if request.score_maps and "closed_set" in tasks:
        raise InputError(
            "--score-maps are about anomalies, and closed-set datasets need a network's classes; leave these out, and "
            "evaluate them with --ckpt in a run of their own."
        )
    if request.protocol is not None and "closed_set" not in tasks:
        raise InputError(
            "--protocol is about closed-set datasets, and none is among --dataset; leave it out, or add one."
        )


def _check_source(request: EvaluationRequest) -> None:
    """Refuse a run without anything to evaluate, with two things, and with score maps and options of a network."""
    if request.names and not request.score_maps:
        raise InputError(
            "--names is what several networks, or the methods of --score-maps, are called; leave it out for a single "
            "network."
        )
    has_network = bool(request.checkpoints) or any(one is not None for one in (request.model, request.instance))
    if has_network == bool(request.score_maps):
        network = "--ckpt" if request.model is None else "--model"
        both = f"{network} and --score-maps exclude each other" if has_network else "there is nothing to evaluate"
        raise InputError(f"{both}; give --ckpt FILE for a network, or --score-maps FOLDER for finished score maps.")
    if not request.score_maps:
        return
    for option in _given(request, _OF_NETWORKS):
        raise InputError(f"{option} is about a network, which --score-maps are evaluated without; leave it out.")


def _given(request: EvaluationRequest, names: Sequence[str]) -> list[str]:
    """Return which of the named options and of those of scores are given, as the command line writes them."""
    flags = given_flags(request)
    return [*(flags[name] for name in names if name in flags), *map(flag, request.chosen_options)]
