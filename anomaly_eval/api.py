"""The same as `gmmseg-anomaly eval` from Python: numbers as pandas tables, figures as matplotlib objects."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, TypeAdapter, ValidationError

from anomaly_eval.errors import InputError, closest
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import run_evaluation
from anomaly_eval.evaluation.together import run_together
from anomaly_eval.reports.combining import combine, read_run
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.figures.dataset import dataset_figures
from anomaly_eval.results.curves import Distribution, read_distributions
from anomaly_eval.results.record import Record
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.console import open_console
from anomaly_eval.runtime.lone_values import as_list_of
from anomaly_eval.runtime.option_fields import asked_fields, build
from anomaly_eval.scores import score_options
from anomaly_eval.segmenters.python.build import is_told_apart, modes_kept, name_of
from anomaly_eval.segmenters.running import Running


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found."""

    results: Results
    """Everything, with where it came from: the content of `results.json`."""
    distributions: Sequence[Distribution]
    """A curve and a histogram of each method on each anomaly dataset."""
    runs: Mapping[str, Evaluation] = field(default_factory=dict)
    """Those of each network by its name, where several were evaluated; methods are then called NAME/METHOD."""

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
        """The rows of `closed_set.csv`, by dataset; of several networks by network and dataset."""
        if self.runs:
            return _stacked({name: run.closed_set for name, run in self.runs.items()})
        return _frame(self.results.closed_set, ["dataset"])

    @property
    def classes(self) -> pd.DataFrame:
        """The rows of `closed_set_classes.csv`, by dataset and name; of several networks by network, too."""
        if self.runs:
            return _stacked({name: run.classes for name, run in self.runs.items()})
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
    network: Any,
    datasets: Sequence[Path | str] | Path | str,
    *,
    out: Path | str | None = None,
    progress: bool = True,
    **options: Any,
) -> Evaluation:
    """Evaluate a network, or several, on one or more datasets, as `gmmseg-anomaly eval` does.

    network: what `--ckpt` takes; an `nn.Module`; a function from an RGB image (height, width, 3), uint8, to its class
    maps (classes, rows, columns), or to a dictionary of maps by the fields of `Prediction`; either of them as (network,
    description); a `Segmenter`; a list of several, or a mapping from their names, which give one table; or None, with
    `score_maps` or `model` only. A module is evaluated where it lies unless `device` is given, and left in the mode
    that it was in. out: the folder to keep the results in; None keeps none. progress: whether bars and warnings go to
    standard error. options: what else the command takes, by the names of the fields of `EvaluationRequest`, `Running`
    and `Measures`, such as `data_root`, `scores`, `fit_dataset`, `config`, `resize`, `device` and `resamples`; options
    of scores, such as `sml_without`; and `running` or `measures` as a whole.

    Of functions nothing is kept to go on from, and files of statistics or thresholds are refused, as nothing tells one
    from another. `out` of several networks holds a report on all, and a folder of each.

    Raises InputError, whose text is one sentence, for whatever the command would refuse, and for an option that there
    is not.
    """
    several = _several(network)
    if several is not None and options.get("names"):
        raise InputError("names of networks are given with them; give a mapping from names to networks.")
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as modes:
        folder = Path(temporary) / "out" if out is None else Path(out)
        values = {**options, "out": folder}
        values["datasets"] = [datasets] if isinstance(datasets, str | Path) else list(datasets)
        # Nobody could go on from a folder that is deleted in any case.
        kept = out is not None
        console = open_console(stderr=True, quiet=not progress)
        if several is None:
            results = run_evaluation(_request_for(network, values, kept, modes), console)
            return Evaluation(results, read_distributions(folder))
        requests = {
            name: _request_for(one, own, kept, modes)
            for (name, one), own in zip(several.items(), _of_each(values, len(several)), strict=True)
        }
        found = run_together(requests, console)
        return _together(
            {
                name: Evaluation(results, read_distributions(folder / found.folders[name]))
                for name, results in found.results.items()
            }
        )


def _of_each(values: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the options of each of several networks: its own of a list of configs or of statistics, else all."""
    found = [dict(values) for _ in range(count)]
    for name in ("config", "statistics"):
        given = values.get(name)
        if isinstance(given, list | tuple) and given:
            if len(given) != count:
                raise InputError(f"{name} gives {len(given)} values for {count} networks; give one for each.")
            for own, value in zip(found, given, strict=True):
                own[name] = [value]
    return found


def _request_for(network: Any, values: Mapping[str, Any], kept: bool, modes: ExitStack) -> EvaluationRequest:
    """Build the request for a network; one from Python has its mode kept until `modes` ends.

    kept: whether there is a journal, where nothing else is said.
    """
    if network is None or isinstance(network, str | os.PathLike):
        return _request({"journal": kept, **values, "checkpoints": [] if network is None else [network]})
    if values.get("model") is not None:
        raise InputError("a network from Python and model are two networks; give one of them.")
    if not is_told_apart(network):
        _refuse_what_needs_weights(values)
        kept = False
    modes.enter_context(modes_kept(network))
    return replace(_request({"journal": kept, **values}), instance=network)


def _several(network: Any) -> dict[str, Any] | None:
    """Return several networks by their names; None where it is one, or none."""
    if isinstance(network, Mapping):
        found = {str(name): one for name, one in network.items()}
        if len(found) < len(network):
            raise InputError("two of the networks have the same name in words; give each another one.")
    elif isinstance(network, list):
        names = [Path(one).stem if isinstance(one, str | os.PathLike) else name_of(one) for one in network]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"two of the networks are called {twice!r}; give a mapping from their names.")
        found = dict(zip(names, network, strict=True))
    else:
        return None
    if not found:
        raise InputError("there is no network to evaluate; give one or more.")
    return found


def _together(found: Mapping[str, Evaluation]) -> Evaluation:
    """Put the evaluations of several networks into one, as `gmmseg-anomaly report` does."""
    # What makes numbers incomparable has been warned of; what took hours is not to be lost to it.
    results = combine([NamedRun(name, Path(name), one.results) for name, one in found.items()], mixed=True)
    if len(found) == 1:
        return replace(next(iter(found.values())), runs=found)
    distributions = [
        replace(curve, method=of_run(name, curve.method)) for name, one in found.items() for curve in one.distributions
    ]
    return Evaluation(results, distributions, found)


def _refuse_what_needs_weights(options: Mapping[str, Any]) -> None:
    """Refuse options that are bound to a network, where nothing tells it from others."""
    remedies = {
        "statistics": "give fit_dataset",
        "thresholds": "give operating_points and all datasets in one call",
        "journal": "leave it out",
    }
    for name, instead in remedies.items():
        if options.get(name):
            raise InputError(
                f"{name} is bound to a network by its weights, and nothing tells this one from others; {instead}."
            )


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
        flags = {one.asked.flag_of(field): field for field, one in asked_fields(EvaluationRequest).items()}
        close = flags.get(f"--{name.replace('_', '-')}") or closest(name, types)
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


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return tables below each other, by the networks' names; without rows an empty one."""
    filled = {name: table for name, table in tables.items() if not table.empty}
    return pd.concat(filled, names=["network"]) if filled else pd.DataFrame()


def _frame(rows: Sequence[Record], index: list[str]) -> pd.DataFrame:
    """Return records as a table; without records an empty one."""
    return pd.DataFrame([row.model_dump() for row in rows]).set_index(index) if rows else pd.DataFrame()
