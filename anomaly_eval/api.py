"""The same as `gmmseg-anomaly eval` from Python: numbers as pandas tables, figures as matplotlib objects."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, TypeAdapter, ValidationError
from rich.console import Console

from anomaly_eval.errors import InputError, closest
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import run_evaluation
from anomaly_eval.reports.combining import read_run
from anomaly_eval.reports.figures.dataset import dataset_figures
from anomaly_eval.results.curves import Distribution, read_distributions
from anomaly_eval.results.records import Record, Results
from anomaly_eval.runtime.lone_values import as_list_of
from anomaly_eval.runtime.option_fields import asked_fields, build
from anomaly_eval.scores import score_options
from anomaly_eval.segmenters.running import Running


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
    checkpoint: Path | str | None,
    datasets: Sequence[Path | str] | Path | str,
    *,
    out: Path | str | None = None,
    progress: bool = True,
    **options: Any,
) -> Evaluation:
    """Evaluate a checkpoint, or a shipped network by its name, on one or more datasets, as `gmmseg-anomaly eval` does.

    checkpoint: None with `score_maps` only. out: the folder to keep the results in; None keeps none. progress: whether
    bars and warnings go to standard error. options: what else the command takes, by the names of the fields of
    `EvaluationRequest`, `Running` and `Measures`, such as `data_root`, `scores`, `fit_dataset`, `config`, `resize`,
    `device` and `resamples`; options of scores, such as `sml_without`; and `running` or `measures` as a whole.

    Raises InputError, whose text is one sentence, for whatever the command would refuse, and for an option that there
    is not.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "out" if out is None else Path(out)
        # Nobody could go on from a folder that is deleted in any case.
        values = {"journal": out is not None, **options}
        values |= {"checkpoint": checkpoint, "out": folder}
        values["datasets"] = [datasets] if isinstance(datasets, str | Path) else list(datasets)
        results = run_evaluation(_request(values), Console(stderr=True, quiet=not progress))
        return Evaluation(results, read_distributions(folder))


def _request(values: Mapping[str, Any]) -> EvaluationRequest:
    """Build a request from options by their names, each checked as the command line checks words."""
    types: dict[str, Any] = {"running": Running, "measures": Measures}
    for name, one in asked_fields(EvaluationRequest).items():
        types[name] = Annotated[one.type, Field(ge=one.asked.min, le=one.asked.max)]
    # Several processes are for the command line.
    del types["launcher"]
    of_scores = score_options()
    types |= {name: Annotated[option.type, Field(ge=option.min)] for name, (_, option) in of_scores.items()}
    given = {name: _checked(name, value, types) for name, value in values.items()}
    chosen = {name: value for name, value in given.items() if name in of_scores}
    return replace(build(EvaluationRequest, given), score_options=chosen, command=["anomaly_eval.evaluate"])


def _checked(name: str, value: Any, types: Mapping[str, Any]) -> Any:
    """Return the value of an option; raises InputError for an unknown name, and for a value of another type."""
    if name not in types:
        close = closest(name, types)
        hint = f"did you mean {close}?" if close else f"its options are {', '.join(types)}."
        raise InputError(f"evaluate has no option {name!r}; {hint}")
    try:
        return TypeAdapter(types[name]).validate_python(as_list_of(types[name], _plain(value)))
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"{name}={value!r} cannot be used: {reason[0].lower()}{reason[1:]}.") from error


def _plain(value: Any) -> Any:
    """Return names of files as text, of which the fields that hold paths make paths."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _frame(rows: Sequence[Record], index: list[str]) -> pd.DataFrame:
    """Return records as a table; without records an empty one."""
    return pd.DataFrame([row.model_dump() for row in rows]).set_index(index) if rows else pd.DataFrame()
