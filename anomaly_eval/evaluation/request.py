"""All that one run of `gmmseg-anomaly eval` depends on, and which options contradict each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_eval.datasets.cards import Task
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import DEFAULT_MEASURES, Measures
from anomaly_eval.runtime.choices import Precision, ProtocolChoice
from anomaly_eval.score_maps.disk import MapsRequest
from anomaly_eval.score_maps.refusals import refuse_network_options
from anomaly_eval.scores import choose_scores, score_options, unfitted
from anomaly_eval.segmenters.base import ALL_OUTPUTS
from anomaly_eval.segmenters.load import NetworkRequest


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
    score_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of scores by the names that `anomaly_eval.scores.score_options` gives them, such as `sml_without`."""
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
    journal: bool = True
    """Whether finished images are kept until the end, so that an interrupted run goes on from them."""
    overwrite: bool = False
    command: Sequence[str] = ()

    @property
    def chosen_options(self) -> dict[str, Any]:
        """The options of scores that have a value."""
        return {name: value for name, value in self.score_options.items() if value not in (None, (), [])}


FITTING = "give --fit-dataset NAME, or --stats FILE as written by `gmmseg-anomaly fit`"


def check_options(request: EvaluationRequest) -> None:
    """Refuse options that contradict each other or the scores asked for, before anything is loaded."""
    _check_source(request)
    if request.measures.component_threshold is not None and request.measures.components is None:
        raise InputError("--component-threshold is about component metrics; add --components, or leave it out.")
    if request.measures.component_threshold is not None and math.isnan(request.measures.component_threshold):
        raise InputError("--component-threshold must be a number.")
    if request.statistics is not None and request.fit_dataset is not None:
        raise InputError("--stats and --fit-dataset exclude each other; give one of them.")
    scores = choose_scores(request.scores, ALL_OUTPUTS, request.chosen_options)
    known = score_options()
    for name in request.chosen_options:
        kind, _ = known[name]
        if not any(isinstance(score, kind) for score in scores):
            raise InputError(
                f"{flag(name)} changes {kind.name}, which is not among --scores; add it or leave the option out."
            )
    lacking = unfitted(scores)
    given = request.statistics or request.fit_dataset
    if request.scores is not None and lacking and given is None and shipped_statistics(request) is None:
        raise InputError(f"the score {lacking[0].name} needs statistics of the training data: {FITTING}.")


def shipped_statistics(request: EvaluationRequest) -> Path | None:
    """Return the statistics that ship with the network, unless the user gives others."""
    if request.network is None or request.statistics is not None or request.fit_dataset is not None:
        return None
    return request.network.statistics


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
            **_flags(request),
            "--protocol": request.protocol,
            "--save-scores": request.save_scores,
        }
    )
    out = request.out.resolve()
    for folder in request.maps.folders:
        if request.overwrite and folder.resolve().is_relative_to(out):
            raise InputError(f"--overwrite would delete the score maps in {folder}; choose another --out than {out}.")


def _flags(request: EvaluationRequest) -> dict[str, bool]:
    """Return the options of scores that are given, as the command line writes them."""
    return {flag(name): True for name in request.chosen_options}


def flag(name: str) -> str:
    """Write the name of an option as the command line does."""
    return f"--{name.replace('_', '-')}"


def check_tasks(request: EvaluationRequest, tasks: set[Task]) -> None:
    """Refuse options for a kind of dataset that is not among the datasets."""
    of_anomalies = {
        "--scores": request.scores is not None,
        "--fit-dataset": request.fit_dataset is not None,
        "--stats": request.statistics is not None,
        **_flags(request),
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
