"""Starting a network from the weights of another: whatever fits by name and shape, and a report of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gmmseg.errors import InputError

_NAMED = 6


@dataclass(frozen=True)
class LoadReport:
    """Names of weights: what a network took from a checkpoint, and what not."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """In the network only; they keep their random start."""
    left_over: tuple[str, ...]
    """In the checkpoint only."""
    other_shape: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the report for the log: counts by top-level module, and the names of what was not loaded."""
        total = len(self.loaded) + len(self.missing) + len(self.other_shape)
        lines = [f"loaded {len(self.loaded)} of the network's {total} weights: {_counts(self.loaded)}"]
        for kind, names in (
            ("missing in the checkpoint", self.missing),
            ("of another shape", self.other_shape),
            ("left over in the checkpoint", self.left_over),
        ):
            if names:
                lines.append(f"{kind}: {_counts(names)} ({_names(names)})")
        return lines


def load_what_fits(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> LoadReport:
    """Load every weight that fits by name and shape; names without the network's modules are the backbone's.

    Raises InputError if nothing fits.
    """
    own = network.state_dict()
    modules = {name.split(".")[0] for name in own}
    if not any(name.split(".")[0] in modules for name in weights):
        weights = {f"backbone.{name}": value for name, value in weights.items()}
    weights = _with_moved_softmax(weights, own)
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    for name in own:
        classifier, mixtures, _ = name.partition("mixtures.")
        if mixtures and name not in fitting:
            # Mixtures fit whole or not at all: counters of others would slow down the new ones.
            fitting = {other: value for other, value in fitting.items() if not _of_mixtures(other, classifier)}
    if not fitting:
        raise InputError(
            f"no weight of the checkpoint {source} fits the network by name and shape; give that of a network of "
            f"the same parts, or the config of its own architecture."
        )
    network.load_state_dict(fitting, strict=False)
    return LoadReport(
        loaded=tuple(fitting),
        missing=tuple(name for name in own if name not in weights),
        left_over=tuple(name for name in weights if name not in own),
        other_shape=tuple(name for name in own if name in weights and name not in fitting),
    )


def _with_moved_softmax(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with those of a last convolution where a GMM classifier has the one of its softmax loss."""
    moved = dict(weights)
    for name in own:
        former = name.replace(".softmax.", ".")
        if former != name and name not in weights and former not in own and former in weights:
            moved[name] = moved.pop(former)
    return moved


def _of_mixtures(name: str, classifier: str) -> bool:
    return name.startswith(f"{classifier}mixtures.") or name == f"{classifier}iteration"


def without_pretrained(settings: Any) -> Any:
    """Return the settings of a model without the files that its parts would start from."""
    if isinstance(settings, Mapping):
        kept: dict[str, Any] = {}
        for name, value in settings.items():
            if name == "pretrained":
                kept[name] = None
            elif name == "init_cfg":
                kept[name] = _without_files(value)
            else:
                kept[name] = without_pretrained(value)
        return kept
    # Some networks insist on tuples.
    return type(settings)(map(without_pretrained, settings)) if isinstance(settings, list | tuple) else settings


def pretrained_sources(settings: Any, name: str = "model") -> dict[str, str]:
    """Return the files or addresses that the parts of a model would start from, by the settings that name them."""
    if isinstance(settings, Mapping):
        found = {}
        for key, value in settings.items():
            if key == "pretrained" and isinstance(value, str):
                found[f"{name}.{key}"] = value
            elif key == "init_cfg":
                steps = value if isinstance(value, list | tuple) else [value]
                files = [step.get("checkpoint") for step in steps if _without_files(step) is None and step is not None]
                found.update({f"{name}.{key}": file for file in files if isinstance(file, str)})
            else:
                found.update(pretrained_sources(value, f"{name}.{key}"))
        return found
    parts = enumerate(settings) if isinstance(settings, list | tuple) else ()
    return {key: file for place, part in parts for key, file in pretrained_sources(part, f"{name}.{place}").items()}


def _without_files(init: Any) -> Any:
    if isinstance(init, list | tuple):
        return [item for item in init if _without_files(item) is not None] or None
    return None if isinstance(init, Mapping) and init.get("type") == "Pretrained" else init


def _counts(names: Iterable[str]) -> str:
    counted = Counter(name.split(".")[0] for name in names)
    return ", ".join(f"{module} {count}" for module, count in counted.items()) or "none"


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
