"""Tables of what is measured on request: component metrics, and means over images."""

from __future__ import annotations

import math
from collections.abc import Mapping

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.components import TRACKS
from anomaly_eval.reports.comparison import ComparisonTable, Section, marked_titles, measured_lines, values_of
from anomaly_eval.reports.notes import Note, convention_text, deviation_notes, model_note, model_notes
from anomaly_eval.results.records import Origin, Results
from anomaly_eval.results.titles import dataset_title


def compare_components(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange the component metrics: mean sIoU, mean PPV, and F1 averaged over the thresholds of sIoU.

    models: the networks by run, where `results` are those of several.
    """
    names = list(dict.fromkeys(row.dataset for row in results.components))
    metrics = registry.COMPONENTS
    values = {
        (row.method, row.dataset): [
            None if value is None or math.isnan(value) else value for value in values_of(row.metrics, metrics)
        ]
        for row in results.components
    }
    notes = [*deviation_notes(results, "anomaly", with_published=False)]
    for name in names:
        first = next(row for row in results.components if row.dataset == name)
        source = "of the best pixel F1 on the same images" if first.threshold_from == "best_f1" else "given"
        notes.append(
            Note(
                "",
                f"{dataset_title(name, results.datasets)}: {first.n_components} components; {first.track} track, "
                f"with {TRACKS[first.track].least_component} pixels or more, predicted ones "
                f"{TRACKS[first.track].least_predicted} or more; thresholds {source}.",
            )
        )
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
        settings=(),
        sections=(Section("", measured_lines(results, values, metrics, names)),),
        notes=(*notes, *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )


def compare_per_image(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange the means over images; `models` by run, where `results` are those of several."""
    names = list(dict.fromkeys(row.dataset for row in results.per_image))
    metrics = registry.means_over_images()
    values = {(row.method, row.dataset): values_of(row.metrics, metrics) for row in results.per_image}
    notes = [*deviation_notes(results, "anomaly", with_published=False)]
    for name in names:
        first = next(row for row in results.per_image if row.dataset == name)
        title = dataset_title(name, results.datasets)
        notes.append(
            Note("", f"{title}: {first.n_images} images; {first.n_left_out} without anomaly or inlier left out.")
        )
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
        settings=(),
        sections=(Section("", measured_lines(results, values, metrics, names)),),
        notes=(*notes, *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )
