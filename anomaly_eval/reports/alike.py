"""Whether the runs of a group can be averaged: what all must have, and how their networks must have been run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomaly_eval.errors import InputError
from anomaly_eval.reports.comparable import NamedRun, differences
from anomaly_eval.reports.groups import KINDS, Group
from anomaly_eval.reports.places import place
from anomaly_eval.results.origins import ModelRecord, Origin, networks_behind
from anomaly_eval.results.record import MetricRecord
from anomaly_eval.results.records import ComponentRow, Results

_MOST_NAMED = 6
_TITLES = {
    "datasets": "datasets",
    "rows": "methods",
    "per_image": "means over images",
    "components": "components",
    "closed_set": "closed-set results",
    "fits": "statistics",
    "negated": "--negate",
}


def check_group(group: Group) -> None:
    """Raise InputError for runs that cannot be averaged, with what differs."""
    runs = group.runs
    different = [one.text for one in differences(runs)] or _lacking(runs) or _run_otherwise(runs)
    if different:
        raise InputError(
            f"the runs of {group.name} cannot be averaged: {'; '.join(different)}; evaluate them alike, or leave one "
            "out."
        )


def _lacking(runs: Sequence[NamedRun]) -> list[str]:
    """Say what the first run has and another lacks, or the other way round, of the first kind where there is any."""
    parts = {run.name: _parts(run.results) for run in runs}
    first, *others = parts
    for kind, title in _TITLES.items():
        texts = []
        for other in others:
            pairs = ((first, other), (other, first))
            missing = {name: sorted(parts[having][kind] - parts[name][kind]) for name, having in pairs}
            texts += [f"{name} lacks {title}: {_listed(what)}" for name, what in missing.items() if what]
        if texts:
            return texts
    return []


def _listed(words: Sequence[str]) -> str:
    more = [f"{len(words) - _MOST_NAMED} more"] if len(words) > _MOST_NAMED else []
    return ", ".join([*words[:_MOST_NAMED], *more])


def _parts(results: Results) -> dict[str, set[str]]:
    """Return what a run has that all runs of its group must have, in words by what it is."""
    parts = {kind: {_text(row) for row in getattr(results, kind)} for kind in KINDS}
    parts["components"] = {_component_text(row) for row in results.components}
    parts["closed_set"] = {f"{row.dataset} (test settings of the {row.whose_protocol})" for row in results.closed_set}
    fits = results.provenance.fits.items()
    parts["fits"] = {f"{name} fitted on {fit.dataset} ({fit.files_sha256[:12]})" for name, fit in fits}
    parts["negated"] = set(results.provenance.negated)
    return {"datasets": {record.name for record in results.datasets}} | parts


def _text(row: MetricRecord) -> str:
    at = place(row)
    return f"{at.method} on {at.dataset}"


def _component_text(row: ComponentRow) -> str:
    return f"{row.method} on {row.dataset} ({row.track} track, threshold {row.threshold_from})"


def _run_otherwise(runs: Sequence[NamedRun]) -> list[str]:
    """Say how networks were run where that differs; it moves numbers as other seeds do, so that a deviation is of both.

    Of score maps from elsewhere nobody knows it.
    """
    settings = {run.name: {**_settings(run.results.provenance.model), **_chosen_on(run.results)} for run in runs}
    texts = []
    for title in dict.fromkeys(title for own in settings.values() for title in own):
        values = {name: own[title] for name, own in settings.items() if title in own}
        if len(set(values.values())) > 1:
            texts.append(f"in {title}, {', '.join(f'{name} has {value!r}' for name, value in values.items())}")
    return texts


def _settings(origin: Origin) -> Mapping[str, str]:
    """Return how a network was run, by what that is called; empty where there is none."""
    found: dict[str, list[str]] = {}
    for model in networks_behind(origin):
        for title, value in _settings_of(model).items():
            found.setdefault(title, []).append(value)
    return {title: "; ".join(dict.fromkeys(values)) for title, values in found.items()}


def _settings_of(model: ModelRecord) -> dict[str, str]:
    return {
        "--tta": model.tta or "none",
        "--resize": model.asked_size,
        "inference": model.inference,
        "outputs left out": ", ".join(model.dropped_classes) or "none",
    }


def _chosen_on(results: Results) -> dict[str, str]:
    """Return what images thresholds were chosen on; the name of a dataset does not tell all from a part of them."""
    return {
        f"the images of {row.learnt_on} that thresholds were chosen on": (
            f"{row.n_images} images, {row.n_anomaly_pixels:,} anomaly and {row.n_inlier_pixels:,} inlier pixels"
        )
        for row in [*results.given_thresholds, *results.operating_points]
        if row.dataset == row.learnt_on
    }
