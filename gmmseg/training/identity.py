"""What makes a training the one it is: the settings and files that a resumed training must share with its beginning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

_COMPARED = ("model", "load_from", "optim_wrapper", "param_scheduler", "randomness", "custom_hooks", "auto_scale_lr")
# Where things lie says nothing of what they are, and mixtures are refitted when all is learnt.
_LEFT_OUT = frozenset({"data_root", "memory_device", "serialize_data", "lazy_init", "refit_at_end"})
# Their values do not depend on where they end.
_ENDLESS = ("Step", "MultiStep", "Exponential")
_LEAVES = (*_ENDLESS, "Constant", "Linear")
"""Schedules after which a rate goes on as it is; after all others nothing more is meant to be learnt."""


def describe_training(config: Config, files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config that decides what is learnt, and `files`, as plain JSON values.

    What may change in between is left out: where data and memory lie, workers, batch size, logs and checkpoints,
    validation, and `train_cfg` but for `max_iters`.
    """
    whole = config.to_dict()
    loader = whole["train_dataloader"]
    found = {
        **{name: whole.get(name) for name in _COMPARED},
        "param_scheduler": [_with_end(one, whole) for one in _schedulers(whole)],
        "train_dataloader": {"dataset": loader.get("dataset"), "sampler": loader.get("sampler")},
        "training_files": dict(files),
        "train_cfg": {"max_iters": whole["train_cfg"].get("max_iters")},
    }
    plain: dict[str, Any] = json.loads(json.dumps(_plain(found), sort_keys=True, default=_name))
    return plain


def differences(old: Any, new: Any, name: str = "") -> list[tuple[str, str, str]]:
    """Return the dotted name of each value that differs, and both values, in short."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        # `type` says more than what follows from it.
        keys = sorted(old.keys() | new.keys(), key=lambda key: (key != "type", key))
        pairs = [(old.get(key), new.get(key), f"{name}.{key}".lstrip(".")) for key in keys]
    elif _is_list(old) and _is_list(new) and len(old) == len(new):
        pairs = [(before, after, f"{name}.{place}") for place, (before, after) in enumerate(zip(old, new, strict=True))]
    else:
        return [] if old == new else [(name, _short(old), _short(new))]
    return [found for pair in pairs for found in differences(*pair)]


def first_difference(old: Any, new: Any, name: str) -> tuple[str, str, str] | None:
    """Return the first of the differences."""
    return next(iter(differences(old, new, name)), None)


def other_length(old: Mapping[str, Any], new: Mapping[str, Any], done: int) -> str | None:
    """Say why a training of `done` iterations cannot end where `new` says; None where it can.

    It can where a training with the new length would have been the same so far, and goes on to learn.
    """
    before, after = (settings["train_cfg"]["max_iters"] for settings in (old, new))
    if after < done:
        return f"train_cfg.max_iters is {after}, and {done} iterations are done"
    if before == after:
        return None
    accumulated = (new.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    if done % accumulated:
        return f"train_cfg.max_iters was {before} and is {after}, amid {accumulated} accumulated gradients"
    ends = [one["end"] for one in new["param_scheduler"] if "end" in one and not _leaves_a_rate(one)]
    if ends and before <= max(ends) < after:
        return f"train_cfg.max_iters was {before} and is {after}, but param_scheduler ends at {max(ends)}"
    return None


def set_endless(config: Config) -> None:
    """Let schedules whose end is not given, and which do not depend on it, never end: length may then change later."""
    schedulers = _schedulers(config)
    for one in schedulers:
        if _is_kind(one, _ENDLESS) and not one.get("by_epoch", True):
            one.setdefault("end", 10**9)


def _schedulers(config: Mapping[str, Any]) -> list[Any]:
    given = config.get("param_scheduler") or []
    return [one for one in (given if isinstance(given, list | tuple) else [given]) if isinstance(one, Mapping)]


def _with_end(scheduler: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule with the end that mmengine gives it where it has none: that of the training."""
    if "end" in scheduler or scheduler.get("by_epoch", True) or _is_kind(scheduler, _ENDLESS):
        return dict(scheduler)
    return {**scheduler, "end": config["train_cfg"].get("max_iters")}


def _is_kind(scheduler: Mapping[str, Any], kinds: Sequence[str]) -> bool:
    kind = str(scheduler.get("type")).split(".")[-1]
    names = [f"{one}{what}" for one in kinds for what in ("LR", "Momentum", "ParamScheduler")]
    return kind in names


def _leaves_a_rate(scheduler: Mapping[str, Any]) -> bool:
    return _is_kind(scheduler, _LEAVES) and scheduler.get("end_factor", 1.0) > 0


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if key not in _LEFT_OUT}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _name(value: Any) -> str:
    """Return what a value that JSON does not know is called, without the address that the next process changes."""
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    text = str(value)
    return type(value).__qualname__ if " at 0x" in text else text


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
