"""What a training checkpoint holds of ours, and whether a config may go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.training.checkpoints import TRAINING_STATE, read_training_checkpoint

# They say where weights come from at the start, not what the network is.
_START = frozenset({"init_cfg", "pretrained"})


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a network without the wrapper of several processes."""
    network: Any = model.module if is_model_wrapper(model) else model
    return network  # type: ignore[no-any-return]


def classifiers(model: nn.Module) -> dict[str, GMMClassifier]:
    """Return the GMM classifiers of a network by name."""
    return {name: module for name, module in unwrapped(model).named_modules() if isinstance(module, GMMClassifier)}


class TrainingStateHook(Hook):  # type: ignore[misc]
    """Puts into training checkpoints what exact resuming needs beyond mmengine's, and takes it out again.

    The memory of every GMM classifier, how many samples were trained on, and the settings of the model. Checkpoints
    without the optimiser (the best ones) are for evaluation and stay without it.
    """

    def __init__(self, model_settings: str, batch_size: int, start: int = 0) -> None:
        self.model_settings, self.batch_size, self.start = model_settings, batch_size, start
        self._first_iteration = 0

    def before_train(self, runner: Any) -> None:
        """Note where this run begins."""
        self._first_iteration = runner.iter

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the state."""
        if "optimizer" not in checkpoint:
            return
        iterations = checkpoint["meta"]["iter"] - self._first_iteration
        checkpoint[TRAINING_STATE] = {
            "model": self.model_settings,
            "samples": self.start + iterations * self.batch_size * get_world_size(),
            "memories": {name: module.training_state() for name, module in classifiers(runner.model).items()},
        }

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Restore the memories, when resuming only."""
        if not runner._resume:
            return
        memories = checkpoint[TRAINING_STATE]["memories"]
        for name, module in classifiers(runner.model).items():
            module.load_training_state(memories[name])


def describe_model(settings: Mapping[str, Any]) -> str:
    """Return the settings of a model as JSON, without where its first weights come from."""
    return json.dumps(_without_start(settings), sort_keys=True, default=str)


def check_resumable(path: Path, model_settings: str, seed: int | None) -> tuple[int, int]:
    """Return the samples trained on and the seed of a checkpoint that the settings fit.

    Raises InputError that names the first difference.
    """
    content = read_training_checkpoint(path, lazily=True)
    state, made_with = content[TRAINING_STATE], content["meta"].get("seed")
    difference = first_difference(json.loads(state["model"]), json.loads(model_settings), "model")
    if difference is not None:
        name, old, new = difference
        raise InputError(
            f"the checkpoint {path} was trained with another network: {name} was {old} and is {new} in the config; "
            f"resume with the config it was made with, or start anew with --init-from."
        )
    if seed is not None and seed != made_with:
        raise InputError(f"the training in {path.parent} has the seed {made_with}, not {seed}; resume without --seed.")
    return int(state["samples"]), int(made_with)


def first_difference(old: Any, new: Any, name: str) -> tuple[str, str, str] | None:
    """Return the dotted name of the first value that differs, and both values, in short."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        # `type` says more than what follows from it.
        keys = sorted(old.keys() | new.keys(), key=lambda key: (key != "type", key))
        pairs = [(old.get(key), new.get(key), f"{name}.{key}") for key in keys]
    elif _is_list(old) and _is_list(new) and len(old) == len(new):
        pairs = [(before, after, f"{name}.{place}") for place, (before, after) in enumerate(zip(old, new, strict=True))]
    else:
        return None if old == new else (name, _short(old), _short(new))
    return next((found for pair in pairs if (found := first_difference(*pair)) is not None), None)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _without_start(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_start(item) for key, item in value.items() if key not in _START}
    return [_without_start(item) for item in value] if isinstance(value, list | tuple) else value
