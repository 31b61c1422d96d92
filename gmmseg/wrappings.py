"""What other trainers put around the weights of a network, and before their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from torch import Tensor

_HOLDERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "module",
    "weights",
    "params",
    # Running averages of weights, where there is nothing else.
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema_model",
    "ema",
    "params_ema",
)
_BEFORE_ALL = ("module.", "_orig_mod.", "model.", "network.", "net.", "ema_model.", "model_ema.", "ema.")
_TRANSPARENT = frozenset({"module", "_orig_mod"})
"""What DataParallel and torch.compile put before the names of any module that they wrap."""
_COUNTERS = frozenset({"n_averaged", "steps", "num_updates", "decay", "_metadata"})
"""What averages of weights count beside them."""
_AVERAGED = ("ema", "averag", "teacher", "swa", "shadow")
_DEEPEST = 6

_Value = TypeVar("_Value")


class TwoNetworksError(Exception):
    """The weights of several networks lie side by side; the text names their prefixes."""


def find_weights(content: object) -> tuple[Mapping[Any, Any] | None, dict[str, Any]]:
    """Return what looks most like weights in the content of a checkpoint, and what is noted around it.

    Weights lie in the content itself, or under `state_dict`, `model` and others, in any nesting; the first of these
    names goes before the next, so that averaged weights are taken only where there are no others. Notes of outer
    layers go before those of inner ones; those of `meta` go before all.
    """
    notes: dict[str, Any] = {}
    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping):
            return None, notes
        name = next((name for name in _HOLDERS if isinstance(content.get(name), Mapping)), None)
        if name is None:
            name = _only_weights(content)
        if name is None and "state_dict" in content:
            return None, notes
        if name is None:
            break
        beside = {str(key): value for key, value in content.items() if key != name}
        meta = beside.pop("meta", None)
        notes = beside | notes
        if isinstance(meta, Mapping):
            notes = notes | {str(key): value for key, value in meta.items()}
        content = content[name]
    if not isinstance(content, Mapping):
        return None, notes
    return _without_counters(content), notes


def without_wrappers(weights: Mapping[str, _Value]) -> dict[str, _Value]:
    """Drop what wrappers put before all names, one within another."""
    found = dict(weights)
    while found:
        prefix = next((prefix for prefix in _BEFORE_ALL if all(name.startswith(prefix) for name in found)), None)
        if prefix is None:
            break
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def named_as(weights: Mapping[str, _Value], wanted: Collection[str]) -> dict[str, _Value]:
    """Return the weights under the names that a network wants, where only wrappers and a prefix make the difference.

    What lies outside of the prefix, such as a loss or an average of the same weights, is left out. Where no prefix
    helps, all are returned under their own names. Raises TwoNetworksError where two prefixes would do.
    """
    by_plain = {_plain(name): name for name in wanted}
    found: dict[str, dict[str, _Value]] = {"": {}}
    for name, value in weights.items():
        prefix, inner = _split(_plain(name), by_plain)
        # What the network does not want keeps its whole name, by which it will be told.
        found.setdefault(prefix, {})[by_plain.get(inner, name)] = value
    fitting = {prefix: len(under.keys() & set(wanted)) for prefix, under in found.items()}
    most = max(fitting.values())
    if fitting[""] == most:
        return found[""]
    best = [prefix for prefix, count in fitting.items() if count == most]
    best = [prefix for prefix in best if not any(word in prefix.casefold() for word in _AVERAGED)] or best
    if len(best) > 1:
        raise TwoNetworksError(" and ".join(sorted(best)[:3]))
    # Weights of the network without the prefix would be lost without a word.
    return found[best[0]] if fitting[""] == 0 else dict(weights)


def _split(name: str, known: Collection[str]) -> tuple[str, str]:
    """Return the shortest prefix, with its dot, before a known name; none where there is no known name."""
    parts = name.split(".")
    for count in range(len(parts)):
        inner = ".".join(parts[count:])
        if inner in known:
            return name[: len(name) - len(inner)], inner
    return "", name


def _plain(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _TRANSPARENT)


def _only_weights(content: Mapping[Any, Any]) -> str | None:
    """Return the name of the one entry that weights lie in, in a content that has no tensors itself."""
    if any(isinstance(value, Tensor) and name not in _COUNTERS for name, value in content.items()):
        return None
    holding = [name for name, value in content.items() if _is_of_networks(name) and _leads_to_weights(value, _DEEPEST)]
    return holding[0] if len(holding) == 1 else None


def _is_of_networks(name: object) -> bool:
    return isinstance(name, str) and not any(word in name.casefold() for word in (*_AVERAGED, "optim", "sched"))


def _leads_to_weights(value: object, deepest: int) -> bool:
    if not isinstance(value, Mapping) or not value or deepest == 0:
        return False
    if all(isinstance(name, str) and isinstance(item, Tensor) for name, item in value.items()):
        return True
    return any(_is_of_networks(name) and _leads_to_weights(item, deepest - 1) for name, item in value.items())


def _without_counters(weights: Mapping[Any, Any]) -> Mapping[Any, Any]:
    kept = {name: value for name, value in weights.items() if name not in _COUNTERS}
    return kept if kept and len(kept) < len(weights) else weights
