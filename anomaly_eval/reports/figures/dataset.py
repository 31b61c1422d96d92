"""The figures of a run: curves, histograms and thresholds of all its methods, as PDF and PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from anomaly_eval.reports.figures.curves import draw_precision_recall, draw_roc, draw_threshold
from anomaly_eval.reports.figures.histograms import draw_histograms
from anomaly_eval.reports.figures.saving import save
from anomaly_eval.reports.figures.style import legend_names
from anomaly_eval.results.curves import Distribution
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.file_names import file_names


def dataset_figures(distributions: Sequence[Distribution]) -> dict[str, Figure]:
    """Return the figures of one dataset by the stem of their files, of all methods in it, one or more."""
    names = legend_names(method_name(one.method) for one in distributions)
    curves = {names[method_name(one.method)]: one.curve for one in distributions}
    figures = {
        "roc": draw_roc(curves),
        "roc_log": draw_roc(curves, log_fpr=True),
        "precision_recall": draw_precision_recall(curves),
        "histograms": draw_histograms({names[method_name(one.method)]: one.histogram for one in distributions}),
    }
    stems = file_names(one.method for one in distributions)
    for one in distributions:
        if any(map(_is_finite, one.curve.thresholds.tolist())):
            figures[f"threshold_{stems[one.method]}"] = draw_threshold(one.curve, names[method_name(one.method)])
    return figures


def draw_distributions(distributions: Sequence[Distribution], folder: Path) -> list[Path]:
    """Write FOLDER/DATASET/NAME.pdf and .png for all datasets, and return the paths.

    Raises InputError where a file cannot be written.
    """
    by_dataset: dict[str, list[Distribution]] = {}
    for one in distributions:
        by_dataset.setdefault(one.dataset, []).append(one)
    folders: Mapping[str, str] = file_names(by_dataset)
    paths = []
    for dataset, own in by_dataset.items():
        target = folder / folders[dataset]
        target.mkdir(parents=True, exist_ok=True)
        for stem, figure in dataset_figures(own).items():
            paths += save(figure, target / stem)
    return paths


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
