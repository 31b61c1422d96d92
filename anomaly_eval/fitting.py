"""Fitting scores on in-distribution images, and the file that keeps what they learnt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from anomaly_eval.clock import Clock
from anomaly_eval.errors import InputError
from anomaly_eval.network import NetworkRequest
from anomaly_eval.outputs import write_atomically
from anomaly_eval.prediction import Segmenter, refuse_non_finite
from anomaly_eval.progress import progress_bar
from anomaly_eval.reading import read_ahead
from anomaly_eval.results import FitRecord, ModelRecord
from anomaly_eval.samples import SampleSet, find_dataset
from anomaly_eval.scores import SCORES, FittedScore, Score, choose_scores

_FORMAT = "gmmseg-anomaly statistics 1"


@dataclass(frozen=True)
class FitRequest:
    """All that one run of `gmmseg-anomaly fit` depends on."""

    network: NetworkRequest
    dataset: str
    out: Path
    data_root: Path | None = None
    scores: Sequence[str] | None = None
    overwrite: bool = False


def run_fit(request: FitRequest, console: Console) -> dict[str, FitRecord]:
    """Fit, write the statistics file, and return what each score learnt from."""
    check_out(request.out, request.overwrite)
    samples = find_dataset(request.dataset, request.data_root)
    segmenter = request.network.load()
    learners = [name for name, kind in SCORES.items() if issubclass(kind, FittedScore)]
    names = (
        request.scores
        if request.scores is not None
        else [name for name in learners if SCORES[name].source in segmenter.provides]
    )
    scores = []
    for score in choose_scores(names, segmenter.provides):
        if not isinstance(score, FittedScore):
            raise InputError(f"the score {score.name} learns nothing; only {' and '.join(learners)} can be fitted.")
        scores.append(score)
    records = fit_scores(segmenter, samples, scores, console, Clock())
    save_statistics(request.out, segmenter.describe(), scores, records)
    return records


def fits_of_network(segmenter: Segmenter, scores: Sequence[Score]) -> dict[str, FitRecord]:
    """Return what scores that learn nothing themselves owe to mixtures which were fitted after training, by score."""
    owing = (score for score in scores if not isinstance(score, FittedScore))
    return {score.name: segmenter.fits[score.source] for score in owing if score.source in segmenter.fits}


def check_out(path: Path, overwrite: bool) -> None:
    """Refuse a place where the file cannot be put, before the time of fitting is spent."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(
            f"{path} cannot be written: it is a folder, or its folder does not exist; choose another --out."
        )
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another --out or pass --overwrite.")


def fit_scores(
    segmenter: Segmenter,
    samples: SampleSet,
    scores: Sequence[FittedScore],
    console: Console,
    clock: Clock,
) -> dict[str, FitRecord]:
    """Fit the scores in one pass over a closed-set dataset; return what each learnt from, by score name."""
    classes = check_classes(samples, segmenter)
    segmenter = segmenter.giving([score.source for score in scores])
    with clock.section("fit"), torch.inference_mode():
        with progress_bar(console, f"fitting on {samples.spec}", len(samples.samples)) as advance:
            for sample, image, label in read_ahead(samples, Clock()):
                prediction = segmenter(image)
                refuse_non_finite(prediction, sample.image)
                for score in scores:
                    score.observe(prediction, label)
                advance()
        return _records(segmenter, samples, scores, classes)


def check_classes(samples: SampleSet, segmenter: Segmenter) -> Sequence[str]:
    """Return the classes of a closed-set dataset; raise InputError where the network has another number of them."""
    classes = samples.card.classes
    if classes is None:
        raise InputError(
            f"{samples.spec} has no class labels, so nothing can be fitted on it; fit on the training set of the "
            f"network, e.g. cityscapes."
        )
    if len(classes) != len(segmenter.classes):
        raise InputError(
            f"{samples.spec} has {len(classes)} classes, the network {len(segmenter.classes)}; fit on the dataset that "
            f"the network was trained on."
        )
    return classes


def _records(
    segmenter: Segmenter, samples: SampleSet, scores: Sequence[FittedScore], classes: Sequence[str]
) -> dict[str, FitRecord]:
    """Finish the scores and say what they learnt from."""
    files = samples.files_sha256()
    records = {}
    for score in scores:
        try:
            notes = score.finish(segmenter.classes)
        except ValueError as error:
            raise InputError(f"{score.name} cannot be fitted on {samples.spec}: {error}.") from error
        records[score.name] = FitRecord(
            dataset=samples.spec,
            n_images=len(samples.samples),
            expected_images=samples.expected_images,
            files_sha256=files,
            notes=notes + class_name_notes(classes, segmenter.classes),
        )
    return records


def save_statistics(
    path: Path, model: ModelRecord, scores: Sequence[FittedScore], records: Mapping[str, FitRecord]
) -> None:
    """Write the statistics of fitted scores and the fingerprint of the network as one safetensors file."""
    tensors = {
        f"{type(score).name}.{name}": value.contiguous() for score in scores for name, value in score.state().items()
    }
    metadata = {
        "format": _FORMAT,
        "model": model.model_dump_json(),
        "fits": json.dumps({type(score).name: records[score.name].model_dump() for score in scores}),
        "tensors_sha256": tensors_sha256(tensors),
    }
    write_atomically(path, save(tensors, metadata=metadata))


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the hash over the names, types, shapes and bytes of tensors on the CPU."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_statistics(path: Path, model: ModelRecord, scores: Sequence[FittedScore]) -> dict[str, FitRecord]:
    """Load statistics into the scores that the file has; return what they were learnt from, by score name.

    Raises InputError for a file that is none of ours, for one of which a single bit changed, and for statistics of
    another network or resolution.
    """
    try:
        if not path.is_file():
            raise InputError(f"there is no statistics file {path}; make one with `gmmseg-anomaly fit`.")
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
    _check_same_model(path, fitted_model, model)
    loaded = {}
    for score in scores:
        prefix = f"{type(score).name}."
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if state and type(score).name in records:
            try:
                score.load_state(state)
            except (KeyError, ValueError, RuntimeError) as error:
                raise InputError(f"the statistics of {score.name} in {path} are damaged; fit again.") from error
            loaded[score.name] = records[type(score).name]
    return loaded


def _check_same_model(path: Path, fitted: ModelRecord, model: ModelRecord) -> None:
    for field, meaning in (
        ("checkpoint_sha256", "checkpoint"),
        ("config_sha256", "config"),
        ("resize", "--resize"),
        ("inference", "inference mode"),
    ):
        if getattr(fitted, field) != getattr(model, field):
            raise InputError(
                f"the statistics in {path} were fitted with another {meaning} ({_short(getattr(fitted, field))}, now "
                f"{_short(getattr(model, field))}); fit again with this one."
            )


def _short(value: str) -> str:
    shown = value[:12] if len(value) == 64 else value[:100]
    return shown if shown.isprintable() else repr(shown)


def class_name_notes(of_dataset: Sequence[str], of_network: Sequence[str]) -> list[str]:
    """Note where the class names of the fitting set and the network differ, as order cannot be checked then."""
    differing = [
        f"{theirs}/{ours}"
        for theirs, ours in zip(of_dataset, of_network, strict=True)
        if theirs.casefold().replace("_", " ") != ours.casefold().replace("_", " ") and not ours.startswith("class ")
    ]
    return [f"class names of dataset and network differ: {', '.join(differing)}"] if differing else []
