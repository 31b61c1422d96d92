"""Building the network of a stranger's config without giving it all memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

_SPARE_VALUES, _SPARE_TENSORS = 1 << 24, 10_000
"""What a network may have beyond twice its checkpoint: parts that are replaced while it is built, and small ones."""


class TooLargeError(Exception):
    """A config asks for a far larger network than the weights that are to fill it."""


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise TooLargeError as soon as the parameters of all modules that are built exceed the weights by far.

    Parameters are counted when a module takes them, which is before they are initialised: until then the system has
    given addresses for them but no memory.
    """
    values = 2 * _stored_values(weights.values()) + _SPARE_VALUES
    tensors = 2 * len(weights) + _SPARE_TENSORS

    def count(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal values, tensors
        if parameter is not None:
            values, tensors = values - parameter.numel(), tensors - 1
        if values < 0 or tensors < 0:
            raise TooLargeError

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _stored_values(weights: Iterable[Tensor]) -> int:
    """Count numbers that take memory: an expanded tensor shows one number many times, and two may share theirs."""
    storages = {weight.untyped_storage().data_ptr(): weight for weight in weights}
    return sum(weight.untyped_storage().nbytes() // weight.element_size() for weight in storages.values())
