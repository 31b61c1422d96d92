"""Tables of what is measured on request: component metrics, and means over images."""

from __future__ import annotations

import math
from collections.abc import Mapping

from anomaly_eval.metrics.components import TRACKS
from anomaly_eval.reports.comparison import (
    HIGHER_IS_BETTER,
    METRICS,
    ComparisonTable,
    Section,
    marked_titles,
    measured_lines,
)
from anomaly_eval.reports.methods import dataset_title
from anomaly_eval.reports.notes import Note, deviation_notes, model_note, model_notes
from anomaly_eval.results.records import Origin, Results

MEAN_METRICS = tuple(f"mean {metric}" for metric in METRICS)
COMPONENT_METRICS = ("sIoU ↑", "PPV ↑", "F1 ↑")


def compare_components(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange the component metrics: mean sIoU, mean PPV, and F1 averaged over the thresholds of sIoU.

    models: the networks by run, where `results` are those of several.
    """
    names = list(dict.fromkeys(row.dataset for row in results.components))
    rates = {
        (row.method, row.dataset): (row.mean_siou, None if math.isnan(row.mean_ppv) else row.mean_ppv, row.mean_f1)
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
        metrics=COMPONENT_METRICS,
        datasets=marked_titles(results, names),
        settings=(),
        sections=(Section("", measured_lines(results, rates, (True, True, True), names)),),
        notes=(*notes, *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )


def compare_per_image(results: Results, models: Mapping[str, Origin] | None = None) -> ComparisonTable:
    """Arrange the means over images; `models` by run, where `results` are those of several."""
    names = list(dict.fromkeys(row.dataset for row in results.per_image))
    rates = {
        (row.method, row.dataset): (row.per_image_auroc, row.per_image_ap, row.per_image_fpr95)
        for row in results.per_image
    }
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
            "Means over images, each ranked by itself: they cannot be compared with numbers of pooled pixels. FPR95: "
            f"{results.conventions.fpr95}.",
        )
    )
    return ComparisonTable(
        subject="Means over images",
        metrics=MEAN_METRICS,
        datasets=marked_titles(results, names),
        settings=(),
        sections=(Section("", measured_lines(results, rates, HIGHER_IS_BETTER, names)),),
        notes=(*notes, *(model_notes(models) if models else [model_note(results)])),
        warnings=(),
    )
