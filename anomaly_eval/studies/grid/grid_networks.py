"""The networks of a grid by the names that readers see, and which scores each of them gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.fit import fits_of_network
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.scores import Score, choose_scores, provided, unfitted
from anomaly_eval.scores.statistics_file import load_statistics
from anomaly_eval.segmenters.base import ALL_OUTPUTS, Segmenter


@dataclass(frozen=True)
class NamedNetwork:
    """A network that is ready to run, and its scores, none of which lacks its statistics."""

    name: str
    segmenter: Segmenter
    scores: Sequence[Score] = ()
    fits: Mapping[str, FitRecord] = field(default_factory=dict)
    """What scores and densities were fitted on, by score name."""
    statistics: Path | None = None
    """A file of statistics that ships with the network, for where no other is given for it."""


def check_score_names(names: Sequence[str] | None, has_statistics: bool) -> None:
    """Raise InputError for scores that no network could give, before any network is loaded."""
    lacking = unfitted(choose_scores(names, ALL_OUTPUTS))
    if names is not None and not has_statistics and lacking:
        raise _no_statistics(lacking[0].name)


def with_scores(
    networks: Sequence[NamedNetwork], names: Sequence[str] | None, statistics: Sequence[Path]
) -> list[NamedNetwork]:
    """Give each network the scores that it provides, of those named or of all, and their statistics.

    Each file of statistics fits one checkpoint, which it knows itself. Raises InputError for a score that no network
    provides, for a network that provides none, for a named score without statistics, and for a file that fits none.
    """
    ready, refusals = [], []
    for network in networks:
        provides = network.segmenter.provides
        wanted = None if names is None else provided(names, provides)
        scores = choose_scores(wanted, provides)
        fits, refused = _load(network, scores, statistics)
        refusals.append(refused)
        fits |= fits_of_network(network.segmenter, scores)
        lacking = unfitted(scores)
        if lacking and names is not None:
            raise next(iter(refused.values()), _no_statistics(lacking[0].name, f" of the network {network.name}"))
        kept = [score for score in scores if score not in lacking]
        if not kept:
            asked = "any of the scores" if names is None else f"any of {', '.join(names)}"
            raise InputError(f"the network {network.name} does not provide {asked}; choose others with --scores.")
        ready.append(replace(network, scores=kept, fits=fits))
    for path in statistics:
        if all(path in refused for refused in refusals):
            raise refusals[0][path]
    for name in names or ():
        if not any(provided([name], network.segmenter.provides) for network in networks):
            # The sentence that names what is missing is that of the scores themselves.
            choose_scores([name], networks[0].segmenter.provides)
    return ready


def _load(
    network: NamedNetwork, scores: Sequence[Score], files: Sequence[Path]
) -> tuple[dict[str, FitRecord], dict[Path, InputError]]:
    """Load what the files hold for this network; return what was loaded, and why files were refused."""
    fits: dict[str, FitRecord] = {}
    refused: dict[Path, InputError] = {}
    for path in files:
        try:
            fits |= load_statistics(path, network.segmenter.describe(), unfitted(scores))
        except InputError as error:
            refused[path] = error
    if not fits and network.statistics is not None:
        fits = load_statistics(network.statistics, network.segmenter.describe(), unfitted(scores), vouched=True)
    return fits, refused


def _no_statistics(score: str, of_network: str = "") -> InputError:
    return InputError(
        f"the score {score}{of_network} needs statistics of the training data; give --stats FILE as written by "
        f"`gmmseg-anomaly fit`, or leave it out of --scores."
    )
