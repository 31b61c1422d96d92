"""What users hand over as their network, whichever form it has, as a `Network`."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import Network
from anomaly_eval.segmenters.python.described import described
from anomaly_eval.segmenters.python.functions import function_network
from anomaly_eval.segmenters.python.modules import Source, module_network, weights_sha256

TITLE = "networks handed over from Python"


def network_of(built: Any, source: Source, given: Given, device: torch.device) -> Network:
    """Return a module or a function, alone or as (network, description), as a network.

    Raises InputError for anything else, and as `module_network` does.
    """
    network, returned = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if inspect.isclass(network) or not callable(network):
        what = (
            f"the class {network.__name__} itself"
            if inspect.isclass(network)
            else "None"
            if network is None
            else f"a {type(network).__name__}"
        )
        raise InputError(
            f"{source.name} gives {what} in the place of a network; return an nn.Module, or a function from an RGB "
            f"image to its class maps."
        )
    options = {"mean": given.mean, "std": given.std, "colours": given.colours}
    description = described(network, returned, source.name, options)
    make = module_network if isinstance(network, nn.Module) else function_network
    return make(network, source, description, device, given.size)


def from_python(instance: Any, given: Given, device: torch.device) -> Network:
    """Return what was handed over from Python as a network."""
    return network_of(instance, Source(str(given.path), "from Python", _code_sha256(instance)), given, device)


def name_of(instance: Any) -> str:
    """Return what results call a network from Python: its class, or the function's name."""
    network = _alone(instance)
    name = getattr(network, "__name__", None) or type(network).__name__
    return str(name).replace("<lambda>", "function")


def is_told_apart(instance: Any) -> bool:
    """Whether something tells a network from others: the weights of a module, or what a segmenter says of itself.

    A function has nothing.
    """
    network = _alone(instance)
    if isinstance(network, Segmenter):
        return bool(network.describe().checkpoint_sha256)
    return isinstance(network, nn.Module) and bool(weights_sha256(network))


def own_device(instance: Any) -> torch.device | None:
    """Return where a module lies; None for one without weights, and for a function."""
    network = _alone(instance)
    tensors = [*network.parameters(), *network.buffers()] if isinstance(network, nn.Module) else []
    return tensors[0].device if tensors else None


@contextmanager
def modes_kept(instance: Any) -> Iterator[None]:
    """Put every part of a module back into training mode that was in it before."""
    network = _alone(instance)
    before = [(part, part.training) for part in network.modules()] if isinstance(network, nn.Module) else []
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _code_sha256(instance: Any) -> str:
    """Return the hash over the source of all classes of a module that are not PyTorch's own; empty for a function.

    Of classes that were typed in, nothing but the name is known.
    """
    network = _alone(instance)
    if not isinstance(network, nn.Module):
        return ""
    kinds = {type(part) for part in network.modules()}
    return hashlib.sha256("".join(sorted(map(_code, kinds))).encode()).hexdigest()


def _code(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}\n"
    if name.startswith("torch."):
        return name
    try:
        return name + inspect.getsource(kind)
    except (OSError, TypeError):
        return name


def _alone(instance: Any) -> Any:
    """Return a network without the description beside it."""
    return instance[0] if isinstance(instance, tuple) and instance else instance
