"""The same as `gmmseg-anomaly eval` from Python: numbers as pandas tables, figures as matplotlib objects."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import run_evaluation
from anomaly_eval.reports.combining import read_run
from anomaly_eval.reports.figures.dataset import dataset_figures
from anomaly_eval.results.curves import Distribution, read_distributions
from anomaly_eval.results.records import Record, Results
from anomaly_eval.scores import score_options
from anomaly_eval.segmenters.load import NetworkRequest


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found."""

    results: Results
    """Everything, with where it came from: the content of `results.json`."""
    distributions: Sequence[Distribution]
    """A curve and a histogram of each method on each anomaly dataset."""

    @classmethod
    def load(cls, folder: Path | str) -> Evaluation:
        """Read a folder that `gmmseg-anomaly eval` wrote; raises InputError for any other."""
        return cls(read_run(Path(folder)), read_distributions(Path(folder)))

    @property
    def table(self) -> pd.DataFrame:
        """The rows of `results.csv`, by dataset and method: AUROC, AP and FPR95 in percent, and what was counted."""
        return _frame(self.results.rows, ["dataset", "method"])

    @property
    def closed_set(self) -> pd.DataFrame:
        """The rows of `closed_set.csv`, by dataset."""
        return _frame(self.results.closed_set, ["dataset"])

    @property
    def classes(self) -> pd.DataFrame:
        """The rows of `closed_set_classes.csv`, by dataset and name."""
        return _frame(self.results.closed_set_classes, ["dataset", "name"])

    def figures(self, dataset: str) -> dict[str, Figure]:
        """Return the figures of one dataset, by its name in `table`: `roc`, `precision_recall`, `histograms` and more.

        Raises InputError for a dataset that was not ranked.
        """
        found = [one for one in self.distributions if one.dataset == dataset]
        if not found:
            known = ", ".join(dict.fromkeys(one.dataset for one in self.distributions)) or "none"
            raise InputError(f"there are no curves of {dataset!r}; the ranked datasets are: {known}.")
        return dataset_figures(found)


def evaluate(
    checkpoint: Path | str,
    datasets: Sequence[str] | str,
    *,
    data_root: Path | str | None = None,
    out: Path | str | None = None,
    scores: Sequence[str] | None = None,
    fit_dataset: str | None = None,
    config: str | None = None,
    resize: str | None = None,
    device: str = "auto",
    measures: Measures | None = None,
    progress: bool = True,
    **options: Any,
) -> Evaluation:
    """Evaluate a checkpoint, or a shipped network by its name, on one or more datasets, as `gmmseg-anomaly eval` does.

    checkpoint, datasets, data_root, scores, fit_dataset, config, resize, device: as on the command line. out: the
    folder to keep the results in; None keeps none. measures: intervals, components and more. progress: whether bars
    and warnings go to standard error. options: further fields of `EvaluationRequest`, and options of scores, such as
    `sml_without`.

    Raises InputError, whose text is one sentence, for whatever the command would refuse.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "out" if out is None else Path(out)
        of_scores = {name: options.pop(name) for name in score_options() if name in options}
        request = EvaluationRequest(
            network=NetworkRequest(Path(checkpoint), config, device, resize),  # type: ignore[arg-type]
            datasets=[datasets] if isinstance(datasets, str) else list(datasets),
            out=folder,
            data_root=None if data_root is None else Path(data_root),
            scores=scores,
            fit_dataset=fit_dataset,
            score_options=of_scores,
            command=["anomaly_eval.evaluate"],
            # Nobody could go on from a folder that is deleted in any case.
            **({"journal": out is not None} | options),
        )
        if measures is not None:
            request = replace(request, measures=measures)
        results = run_evaluation(request, Console(stderr=True, quiet=not progress))
        return Evaluation(results, read_distributions(folder))


def _frame(rows: Sequence[Record], index: list[str]) -> pd.DataFrame:
    """Return records as a table; without records an empty one."""
    return pd.DataFrame([row.model_dump() for row in rows]).set_index(index) if rows else pd.DataFrame()
