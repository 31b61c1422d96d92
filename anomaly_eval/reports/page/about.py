"""Where the numbers of the page come from: warnings, conventions, the network, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomaly_eval.metrics import registry
from anomaly_eval.reports.origins import origin_details, origin_lead, origin_name
from anomaly_eval.reports.page.markup import definitions, escape
from anomaly_eval.results.origins import ModelRecord, Origin
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import method_name

_CONVENTIONS = {
    "positives": "Positives",
    "pooling": "Pooling",
    "class_maps": "Class maps",
    "closed_set": "Closed set",
    "closed_set_maps": "Closed-set class maps",
    "closed_set_means": "Closed-set means",
}


def page_title(results: Results) -> str:
    """Return what the page is about: the weights or score maps, and the datasets."""
    datasets = ", ".join(record.title for record in results.datasets)
    return f"{origin_name(results.provenance.model)} on {datasets}"


def lead_markup(results: Results) -> str:
    """Return the line below the title."""
    parts = (*origin_lead(results.provenance.model), results.provenance.started)
    return f'<p class="lead">{" · ".join(map(escape, parts))}</p>\n'


def warnings_markup(warnings: Sequence[str]) -> str:
    """Return all warnings, empty where there are none."""
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<section class="warnings" aria-label="Warnings"><h2>Warnings</h2><ul>{items}</ul></section>\n'


def about_runs_markup(runs: Mapping[str, Results]) -> str:
    """Return conventions and provenance of several runs, a heading for each."""
    return "".join(f"<h2>{escape(name)}</h2>{about_markup(results)}" for name, results in runs.items())


def about_markup(results: Results) -> str:
    """Return conventions and provenance."""
    origin = results.provenance
    # A convention that is added later is shown under its own name.
    titles = _CONVENTIONS | {metric.key: metric.title for metric in registry.RANKING}
    conventions = [
        (titles.get(name, name.replace("_", " ").capitalize()), str(text))
        for name, text in results.conventions.model_dump().items()
    ]
    network = origin_details(origin.model)
    network += [
        (
            f"{method_name(method)} fitted on",
            "; ".join([f"{fit.dataset}, {fit.n_images} images, sha256 {fit.files_sha256}", *fit.notes]),
        )
        for method, fit in origin.fits.items()
    ]
    if origin.bootstrap is not None:
        conventions.append(("Intervals", origin.bootstrap))
    run = [
        ("Command", origin.command),
        ("Started", origin.started),
        ("Platform", origin.platform),
        ("Versions", ", ".join(f"{name} {version}" for name, version in origin.versions.items())),
        ("Time", f"{results.timing.total:.0f} s in all, {results.timing.forward:.0f} s of it in the network"),
        ("Memory", f"{results.timing.peak_memory_mb:.0f} MB at most"),
    ]
    parts = (("Conventions", conventions), (_heading(origin.model), network), ("Run", run))
    return "".join(f"<h3>{title}</h3>{definitions(pairs)}" for title, pairs in parts)


def _heading(origin: Origin) -> str:
    return "Network" if isinstance(origin, ModelRecord) else "Score maps"
