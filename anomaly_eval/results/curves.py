"""Curves and histograms of every method on every dataset: what figures are drawn from, as two CSV files."""

from __future__ import annotations

import csv
import io
import os
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.curves import Curve
from anomaly_eval.metrics.histograms import ScoreHistogram
from anomaly_eval.runtime.safe_read import read_regular

CURVES_FILE, HISTOGRAMS_FILE = "curves.csv", "histograms.csv"
_LARGEST = 1 << 28
_CURVE_COLUMNS = ("dataset", "method", "threshold", "tpr", "fpr", "precision")
_HISTOGRAM_COLUMNS = ("dataset", "method", "low", "high", "inliers", "anomalies")


@dataclass(frozen=True)
class Distribution:
    """How one method orders the pixels of one dataset."""

    dataset: str
    method: str
    curve: Curve
    histogram: ScoreHistogram


def distributions_csv(found: Sequence[Distribution]) -> dict[str, str]:
    """Return the content of both files by name; numbers read back are exactly those written."""
    curves, histograms = io.StringIO(), io.StringIO()
    curve_rows, histogram_rows = csv.writer(curves, lineterminator="\n"), csv.writer(histograms, lineterminator="\n")
    curve_rows.writerow(_CURVE_COLUMNS)
    histogram_rows.writerow(_HISTOGRAM_COLUMNS)
    for one in found:
        curve, histogram = one.curve, one.histogram
        for values in zip(curve.thresholds.tolist(), *map(np.ndarray.tolist, _rates(curve)), strict=True):
            curve_rows.writerow([one.dataset, one.method, *values])
        edges = histogram.edges.tolist()
        counts = (histogram.inliers.tolist(), histogram.anomalies.tolist())
        for values in zip(edges[:-1], edges[1:], *counts, strict=True):
            histogram_rows.writerow([one.dataset, one.method, *values])
    return {CURVES_FILE: curves.getvalue(), HISTOGRAMS_FILE: histograms.getvalue()}


def read_distributions(folder: Path) -> list[Distribution]:
    """Read what an evaluation wrote into its folder, in its order; empty where it ranked nothing.

    Raises InputError for a file that is not as it was written.
    """
    if not any(os.path.lexists(folder / name) for name in (CURVES_FILE, HISTOGRAMS_FILE)):
        return []
    curves = _numbers(folder / CURVES_FILE, _CURVE_COLUMNS)
    histograms = _numbers(folder / HISTOGRAMS_FILE, _HISTOGRAM_COLUMNS)
    if curves.keys() != histograms.keys():
        raise InputError(f"{CURVES_FILE} and {HISTOGRAMS_FILE} in {folder} do not belong together; evaluate anew.")
    found = []
    for (dataset, method), (threshold, tpr, fpr, precision) in curves.items():
        low, high, inliers, anomalies = histograms[dataset, method]
        if not _is_curve(threshold, tpr, fpr, precision):
            raise _damaged(folder / CURVES_FILE, "rates or thresholds that no evaluation writes")
        if not _is_histogram(low, high, inliers, anomalies):
            raise _damaged(folder / HISTOGRAMS_FILE, "edges or counts that no evaluation writes")
        histogram = ScoreHistogram(np.append(low, high[-1:]), inliers.astype(np.int64), anomalies.astype(np.int64))
        found.append(Distribution(dataset, method, Curve(threshold, tpr, fpr, precision), histogram))
    return found


def _is_curve(threshold: np.ndarray, *rates: np.ndarray) -> bool:
    """Whether thresholds fall, TPR and FPR rise, and all rates lie in [0, 1]."""
    tpr, fpr, _ = rates
    within = all((rate >= 0).all() and (rate <= 1).all() for rate in rates)
    monotone = (threshold[1:] < threshold[:-1]).all() and (tpr[1:] >= tpr[:-1]).all() and (fpr[1:] >= fpr[:-1]).all()
    return bool(within and monotone and not np.isnan(threshold).any())


def _is_histogram(low: np.ndarray, high: np.ndarray, *counts: np.ndarray) -> bool:
    """Whether finite bins follow each other, and counts are whole numbers that int64 can hold."""
    ascending = (
        np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all() and (low[1:] == high[:-1]).all()
    )
    whole = all((count >= 0).all() and (count < 2**53).all() and (count == np.floor(count)).all() for count in counts)
    return bool(ascending and whole)


def _rates(curve: Curve) -> tuple[np.ndarray, ...]:
    return curve.tpr, curve.fpr, curve.precision


def _numbers(path: Path, columns: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Return by (dataset, method) the columns after these two, (columns, rows) float64."""
    rows: dict[tuple[str, str], list[list[float]]] = {}
    try:
        reader = csv.reader(io.StringIO(read_regular(path, _LARGEST).decode(), newline=""))
        if next(reader, None) != list(columns):
            raise ValueError("other columns")
        for dataset, method, *values in reader:
            if len(values) != len(columns) - 2:
                raise ValueError("a row of another length")
            rows.setdefault((dataset, method), []).append([float(value) for value in values])
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); evaluate anew.") from error
    except (ValueError, csv.Error) as error:
        raise _damaged(path, reprlib.repr(str(error))) from error
    return {key: np.array(values).T for key, values in rows.items()}


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is damaged or was not written by this tool ({reason}); evaluate anew.")
