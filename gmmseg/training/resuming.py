"""What a training checkpoint holds of ours, and whether a config may go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.training.checkpoints import TRAINING_STATE, make_plain, read_training_checkpoint
from gmmseg.training.identity import differences, other_length

# They say where weights come from at the start; former versions did not note them.
_START = frozenset({"init_cfg", "pretrained"})


@dataclass(frozen=True)
class Beginning:
    """Where a training begins: anew, or after a checkpoint."""

    seed: int
    samples: int = 0
    """Samples that were trained on before."""
    batch_size: int | None = None
    """Of all processes together, in the last iteration before; None is not known."""
    compared: bool = True
    """Whether the checkpoint says what the training was asked for."""

    def news(self, batch_size: int) -> list[str]:
        """Return what to say of a training that goes on, with batches of this size."""
        lines = []
        if not self.compared:
            lines.append("its checkpoint does not note schedule, optimiser and data; give those it began with")
        if self.batch_size not in (None, batch_size):
            lines.append(f"from now on in batches of {batch_size} images in place of {self.batch_size}")
        return lines


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a network without the wrapper of several processes."""
    network: Any = model.module if is_model_wrapper(model) else model
    return network  # type: ignore[no-any-return]


def classifiers(model: nn.Module) -> dict[str, GMMClassifier]:
    """Return the GMM classifiers of a network by name."""
    return {name: module for name, module in unwrapped(model).named_modules() if isinstance(module, GMMClassifier)}


class TrainingStateHook(Hook):  # type: ignore[misc]
    """Puts into checkpoints the config, and what exact resuming needs beyond mmengine's, and takes that out again.

    The memory of every GMM classifier, how many samples were trained on, and what the training was asked for.
    Checkpoints without the optimiser (the best ones) are for evaluation and stay without it.
    """

    def __init__(self, config: str, settings: Mapping[str, Any], batch_size: int, start: int = 0) -> None:
        self.config, self.settings = config, json.dumps(settings)
        self.batch_size, self.start = batch_size, start
        self._first_iteration = 0

    def before_train(self, runner: Any) -> None:
        """Note where this run begins."""
        self._first_iteration = runner.iter

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the state, and leave nothing that only code could load again."""
        make_plain(checkpoint)
        checkpoint["meta"]["cfg"] = self.config
        if "optimizer" not in checkpoint:
            return
        iterations = checkpoint["meta"]["iter"] - self._first_iteration
        batch_size = self.batch_size * get_world_size()
        checkpoint[TRAINING_STATE] = {
            "settings": self.settings,
            "samples": self.start + iterations * batch_size,
            "batch_size": batch_size,
            "memories": {name: module.training_state() for name, module in classifiers(runner.model).items()},
        }

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Restore the memories, when resuming only."""
        if not runner._resume:
            return
        memories = checkpoint[TRAINING_STATE]["memories"]
        for name, module in classifiers(runner.model).items():
            module.load_training_state(memories[name])


def check_resumable(path: Path, settings: Mapping[str, Any], seed: int | None) -> Beginning:
    """Return where a checkpoint lets a training with these settings begin, see `describe_training`.

    Raises InputError that names all differences from those it was made with.
    """
    content = read_training_checkpoint(path, lazily=True)
    state, made_with, done = content[TRAINING_STATE], content["meta"].get("seed"), int(content["meta"]["iter"])
    noted = state.get("settings")
    if noted is None:  # of former versions, which noted the network alone
        found = differences(json.loads(state["model"]), _without_start(settings["model"]), "model")
        length = other_length(settings, settings, done)
    else:
        old = json.loads(noted)
        found = differences({**old, "train_cfg": None}, {**settings, "train_cfg": None})
        length = other_length(old, settings, done)
    told = [f"{name} was {before} and is {after}" for name, before, after in found] + ([length] if length else [])
    if told:
        raise InputError(
            f"the training of {path} cannot go on with other settings than it began with: {'; '.join(told)}; resume "
            f"with those, or start anew from its weights with --init-from {path} and another --out."
        )
    if seed is not None and seed != made_with:
        raise InputError(f"the training in {path.parent} has the seed {made_with}, not {seed}; resume without --seed.")
    return Beginning(int(made_with), int(state["samples"]), state.get("batch_size"), compared=noted is not None)


def _without_start(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_start(item) for key, item in value.items() if key not in _START}
    return [_without_start(item) for item in value] if isinstance(value, list | tuple) else value
