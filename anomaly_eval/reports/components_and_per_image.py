"""Tables of what is measured on request: component metrics, and means over images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.components import TRACKS
from anomaly_eval.reports.comparison import ComparisonTable, Section, apart, marked_titles, measured_lines, values_of
from anomaly_eval.reports.notes import (
    Note,
    convention_text,
    deviation_notes,
    either,
    fit_notes,
    model_note,
    model_notes,
    negation_notes,
)
from anomaly_eval.reports.places import Place, place
from anomaly_eval.results.origins import Origin
from anomaly_eval.results.records import ComponentRow, Results
from anomaly_eval.results.titles import dataset_title, method_name


def compare_components(
    results: Results,
    models: Mapping[str, Origin] | None = None,
    behind: Mapping[Place, Sequence[ComponentRow]] | None = None,
) -> ComparisonTable:
    """Arrange the component metrics: mean sIoU, mean PPV, and F1 averaged over the thresholds of sIoU.

    models: the networks by run, where `results` are those of several; behind: the rows that others are means of.
    """
    names = list(dict.fromkeys(row.dataset for row in results.components))
    metrics = registry.COMPONENTS
    values = {
        (row.method, row.dataset): [
            None if value is None or math.isnan(value) else value for value in values_of(row.metrics, metrics)
        ]
        for row in results.components
    }
    settings: dict[str, dict[str, str]] = {}
    for row in results.components:
        settings.setdefault(row.method, {})[row.dataset] = _setting(row)
    groups = apart(settings)
    sections = [
        Section(
            _section_title(settings, methods, results) if len(groups) > 1 else "",
            measured_lines(results, {key: found for key, found in values.items() if key[0] in methods}, metrics, names),
        )
        for methods in groups
    ]
    notes = [*deviation_notes(results, "anomaly", with_published=False), *fit_notes(results)]
    for name in names:
        alike: dict[str, list[ComponentRow]] = {}
        for row in results.components:
            if row.dataset == name:
                alike.setdefault(_setting(row), []).append(row)
        notes += [_component_note(dataset_title(name, results.datasets), rows, behind or {}) for rows in alike.values()]
    notes.append(
        Note(
            "",
            "Components as in SegmentMeIfYouCan, of pixels that score at or above the threshold: 8-connectivity, mean "
            "sIoU over ground-truth components, mean PPV over predicted ones, F1 averaged over thresholds 0.25, 0.30 … "
            "0.75.",
        )
    )
    return ComparisonTable(
        subject="Component metrics",
        metrics=metrics,
        datasets=marked_titles(results, names),
        names=tuple(names),
        settings=(),
        sections=tuple(sections),
        notes=(*notes, *negation_notes(results), *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )


def _setting(row: ComponentRow) -> str:
    """Say under what components were measured, beside the value of a given threshold, which is a method's own."""
    source = "of the best pixel F1 on the same images" if row.threshold_from == "best_f1" else "given"
    return f"{row.track} track, thresholds {source}"


def _section_title(settings: Mapping[str, Mapping[str, str]], methods: list[str], results: Results) -> str:
    """Say under what the methods of a section were measured; once where that is the same on all datasets."""
    by_dataset = {dataset: text for method in methods for dataset, text in settings[method].items()}
    if len(set(by_dataset.values())) == 1:
        text = next(iter(by_dataset.values()))
        return text[0].upper() + text[1:]
    return "; ".join(f"{dataset_title(name, results.datasets)}: {text}" for name, text in by_dataset.items())


def _component_note(title: str, rows: list[ComponentRow], behind: Mapping[Place, Sequence[ComponentRow]]) -> Note:
    """Say what components of a dataset were, and at which thresholds."""
    first = rows[0]
    source = "of the best pixel F1 on the same images"
    if first.threshold_from != "best_f1":
        source = f"given: {', '.join(_given_text(row.method, behind.get(place(row), [row])) for row in rows)}"
    return Note(
        "",
        f"{title}: {first.n_components} components; {first.track} track, "
        f"with {TRACKS[first.track].least_component} pixels or more, predicted ones "
        f"{TRACKS[first.track].least_predicted} or more; thresholds {source}.",
    )


def _given_text(method: str, rows: Sequence[ComponentRow]) -> str:
    """Say which thresholds a method was given, one or, in several runs, one of some."""
    return f"{method_name(method)} {either(f'{value:g}' for value in sorted({row.threshold for row in rows}))}"


def compare_per_image(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange the means over images; `models` by run, where `results` are those of several."""
    names = list(dict.fromkeys(row.dataset for row in results.per_image))
    metrics = registry.means_over_images()
    values = {(row.method, row.dataset): values_of(row.metrics, metrics) for row in results.per_image}
    notes = [*deviation_notes(results, "anomaly", with_published=False), *fit_notes(results)]
    for name in names:
        title = dataset_title(name, results.datasets)
        counted = dict.fromkeys((row.n_images, row.n_left_out) for row in results.per_image if row.dataset == name)
        texts = [
            f"{n_images} images; {n_left_out} without anomaly or inlier left out" for n_images, n_left_out in counted
        ]
        notes.append(Note("", f"{title}: {', or '.join(texts)}."))
    notes.append(
        Note(
            "",
            "Means over images, each ranked by itself: they cannot be compared with numbers of pooled pixels. "
            + convention_text(results, [metric for metric in registry.RANKING if metric.conventions]),
        )
    )
    return ComparisonTable(
        subject="Means over images",
        metrics=metrics,
        datasets=marked_titles(results, names),
        names=tuple(names),
        settings=(),
        sections=(Section("", measured_lines(results, values, metrics, names)),),
        notes=(*notes, *negation_notes(results), *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )
