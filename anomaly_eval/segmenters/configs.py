"""Finding the config of a checkpoint: in the checkpoint's meta (as literals only), in a file, or by name."""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import config_source
from anomaly_eval.segmenters.literals import parse_literals, plain_values
from anomaly_eval.segmenters.registered import (
    is_of_missing_package,
    names_of_data,
    unregistered,
    what_is_missing,
    with_registered_names,
)
from gmmseg.checkpoints import Checkpoint
from gmmseg.config_files import read_config
from gmmseg.stand_ins import StandIn

_FOR_TRAINING = frozenset({"init_cfg", "pretrained", "loss_decode", "auxiliary_head", "sampler"})
# Modules of the zoo read files that their settings name, some of them by unpickling.
_FILE = re.compile(r"[/\\]|\.(pkl|pickle|json|ya?ml|npy|npz|pt|pth|ckpt|bin|py)$", re.IGNORECASE)


@dataclass(frozen=True)
class ModelConfig:
    """The `model` part of an mmsegmentation config, and where it came from."""

    model: dict[str, Any]
    source: str
    class_names: tuple[str, ...] | None = None
    """What it calls the classes of its data; None where it does not say."""

    @property
    def sha256(self) -> str:
        """Hash of the model's settings, the same wherever they were read from."""
        try:
            text = json.dumps(self.model, sort_keys=True, default=list)
        except TypeError:  # keys of several kinds have no order, and a config file may hold classes and functions
            text = json.dumps(_with_text_keys(self.model), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def find_config(checkpoint: Checkpoint, given: str | None) -> ModelConfig:
    """Return the config named by the user, else the one in the checkpoint.

    `given` is a Python config file, a name such as `mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py`,
    or the stem of a config that ships with the project. A file that the user names is executed, as mmengine does;
    text in a checkpoint never is.
    """
    if given is not None:
        return _config_from_file(given)
    settings = _settings_within(checkpoint)
    model = settings.get("model")
    if not isinstance(model, dict):
        raise InputError(f"the config inside {checkpoint.path} has no `model`; name another one with --config.")
    model = for_inference(_with_preprocessor(model, settings))
    return ModelConfig(_checked(model, checkpoint.path, settings), "checkpoint meta", names_of_data(settings))


def _settings_within(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the config in a checkpoint: text as mmengine writes it, or a pickled dictionary or `Config`."""
    found = [checkpoint.meta.get(name) for name in ("cfg", "config")]
    found = [value.settings if isinstance(value, StandIn) else value for value in found]
    given = next(
        (value for value in found if isinstance(value, Mapping) or (isinstance(value, str) and value.strip())), None
    )
    if given is None:
        raise InputError(
            f"the checkpoint {checkpoint.path} carries no config; name it with --config FILE.py or mmseg::NAME."
        )
    try:
        return parse_literals(given) if isinstance(given, str) else plain_values(given)
    except ValueError as error:
        raise InputError(
            f"the config inside {checkpoint.path} is more than plain values ({error}) and is not executed; name a "
            f"config file that you trust with --config."
        ) from error


def for_inference(model: dict[str, Any]) -> dict[str, Any]:
    """Drop what only training uses: how weights begin, losses (which may name files), auxiliary heads, samplers.

    The `train_cfg` of a head stays whole, as mask classifiers build what it names.
    """
    return {
        key: value if key == "train_cfg" else _for_inference(value)
        for key, value in model.items()
        if key not in _FOR_TRAINING
    }


def _with_preprocessor(model: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a config says of preprocessing beside its model, as mmengine does where the model says nothing."""
    preprocessor = settings.get("data_preprocessor")
    return model if preprocessor is None else {"data_preprocessor": preprocessor} | model


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _for_inference(value: Any) -> Any:
    if isinstance(value, dict):
        return for_inference(value)
    if isinstance(value, list | tuple):
        return type(value)(_for_inference(item) for item in value)
    return value


def _config_from_file(given: str) -> ModelConfig:
    config = read_config(config_source(given), given)
    settings: Any = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    model = settings.get("model")
    if not isinstance(model, Mapping):
        raise InputError(f"the config {given} has no `model`; is it a base file rather than a whole config?")
    model = for_inference(_with_preprocessor(dict(model), settings))
    named: dict[str, Any] = with_registered_names(model)
    for kind in unregistered(named):
        # Of others, the registry imports what it finds, as the user named the file.
        if is_of_missing_package(kind):
            raise InputError(f"the config {given} asks for {kind!r}, {what_is_missing(kind, settings)}.")
    return ModelConfig(named, given, names_of_data(settings))


def _checked(model: dict[str, Any], path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model with registered names, if it asks for nothing else.

    A `type` that is not registered would be imported, and files that settings name be read: both are refused.
    """
    named: dict[str, Any] = with_registered_names(model)
    for kind in unregistered(named):
        raise InputError(f"the config inside {path} asks for {reprlib.repr(kind)}, {what_is_missing(kind, settings)}.")
    for text in _texts(named):
        if _FILE.search(text):
            raise InputError(
                f"the config inside {path} names a file ({text[:200]!r}), which is not read on a checkpoint's word; "
                f"name a config file that you trust with --config."
            )
    return named


def _texts(value: Any) -> Iterator[str]:
    """Go through all texts in a value, but for keys."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
