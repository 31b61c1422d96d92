"""The file that keeps what scores learnt: safetensors, bound to the network and the resolution it was learnt with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import SHIPPED_STATISTICS, FitRecord, ModelRecord
from anomaly_eval.results.same_network import network_difference
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.scores.base import FittedScore
from gmmseg.safetensors_files import safetensors_bytes, tensors_sha256

_FORMAT = "gmmseg-anomaly statistics 1"


def save_statistics(
    path: Path, model: ModelRecord, scores: Sequence[FittedScore], records: Mapping[str, FitRecord]
) -> None:
    """Write the statistics of fitted scores and the fingerprint of the network as one safetensors file."""
    tensors = {f"{type(score).name}.{name}": value for score in scores for name, value in score.state().items()}
    metadata = {
        "format": _FORMAT,
        "model": model.model_dump_json(exclude={"class_names_from"}),
        "fits": json.dumps({type(score).name: records[score.name].model_dump() for score in scores}),
        "tensors_sha256": tensors_sha256(tensors),
    }
    write_atomically(path, safetensors_bytes(tensors, metadata))


def check_is_there(path: Path) -> None:
    """Raise InputError where there is no file of statistics, without reading it."""
    if not path.is_file():
        raise InputError(f"there is no statistics file {path}; make one with `gmmseg-anomaly fit`.")


def load_statistics(
    path: Path, model: ModelRecord, scores: Sequence[FittedScore], *, vouched: bool = False
) -> dict[str, FitRecord]:
    """Load statistics into the scores that the file has; return what they were learnt from, by score name.

    vouched: they ship with the network, whose card says that they belong to this size of the input, whatever images
    they were learnt from.

    Raises InputError for a file that is none of ours, for one of which a single bit changed, and for statistics of
    another network or resolution.
    """
    try:
        check_is_there(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != _FORMAT:
            raise ValueError("another format")
        # Files of former versions have no hash.
        if metadata.get("tensors_sha256", "") not in ("", tensors_sha256(tensors)):
            raise ValueError("other tensors than were written")
        fitted_model = ModelRecord.model_validate_json(metadata["model"])
        fits: dict[str, Any] = json.loads(metadata["fits"])
        records = {name: FitRecord.model_validate(record) for name, record in fits.items()}
    except InputError:
        raise
    except Exception as error:  # a damaged file leads its readers to errors of many kinds
        raise InputError(f"{path} is no statistics file of `gmmseg-anomaly fit`, or is damaged; fit again.") from error
    _check_same_model(
        path, fitted_model, model.model_copy(update={"resize": fitted_model.resize}) if vouched else model
    )
    loaded = {}
    for score in scores:
        prefix = f"{type(score).name}."
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if state and type(score).name in records:
            try:
                score.load_state(state)
            except (KeyError, ValueError, RuntimeError) as error:
                raise InputError(f"the statistics of {score.name} in {path} are damaged; fit again.") from error
            record = records[type(score).name]
            notes = [*record.notes, *([SHIPPED_STATISTICS] if vouched else [])]
            loaded[score.name] = record.model_copy(update={"notes": notes})
    return loaded


def _check_same_model(path: Path, fitted: ModelRecord, model: ModelRecord) -> None:
    found = network_difference(fitted, model)
    if found is not None:
        difference, now = found
        raise InputError(f"the statistics in {path} were fitted with {difference}; fit again with {now}.")
