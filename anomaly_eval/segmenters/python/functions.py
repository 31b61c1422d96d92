"""Any function from an image to what is said of its classes, as a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.machine import is_out_of_memory
from anomaly_eval.segmenters.network import Network, NetworkFacts, Normalisation
from anomaly_eval.segmenters.python.described import Description
from anomaly_eval.segmenters.python.modules import (
    Source,
    cannot_process,
    facts_of,
    first_image,
    first_sizes,
    printing_aside,
    with_facts,
)
from anomaly_eval.segmenters.python.outputs import OutputReader

_AS_PIXELS = Normalisation()


class FunctionNetwork(Network):
    """A function that takes an RGB image (height, width, 3), uint8, and gives maps (channels, rows, columns)."""

    runs_in_torch = False

    def __init__(
        self, function: Callable[..., Any], facts: NetworkFacts, device: torch.device, reader: OutputReader
    ) -> None:
        super().__init__(facts, device)
        self.function, self._reader = function, reader

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the pixels as they are, (1, 3, h, w)."""
        return _AS_PIXELS.apply(image, torch.device("cpu"))

    def remedy(self, error: Exception) -> str:
        """Say what a user can do about an error of the function."""
        return f"correct the function, or {super().remedy(error)}"

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        """Return the wanted maps of pixels (n, 3, h, w), one image after the other."""
        images = [np.ascontiguousarray(one.permute(1, 2, 0).byte().numpy()) for one in inputs]
        with printing_aside():
            found = [self._reader.read(self.function(image), 1) for image in images]
        maps = [with_facts(one, wanted, self.facts, self._reader.name) for one in found]
        return {name: torch.cat([one[name].to(self.device) for one in maps]) for name in maps[0]}


def function_network(
    function: Callable[..., Any],
    source: Source,
    description: Description,
    device: torch.device,
    size: tuple[int, int] | None,
) -> FunctionNetwork:
    """Find out what a function gives by calling it once on noise; raises InputError as `module_network` does."""
    for field in ("mean", "std", "colours", "features"):
        if getattr(description, field) is not None:
            raise InputError(
                f"{source.name} is a function of an image, which it takes as it is, in RGB from 0 to 255, so {field} "
                f"says nothing about it; leave it out, or give an nn.Module."
            )
    reader = OutputReader(source.name, of_image=True)
    sizes = first_sizes(description, size)
    returned: object = None
    for one in sizes:
        try:
            with printing_aside(), torch.no_grad():
                returned = function(first_image(one))
            break
        except Exception as error:  # functions fail in their own ways
            if one == sizes[-1] or is_out_of_memory(error):
                raise cannot_process(source.name, sizes, error) from error
    facts = facts_of(reader.read(returned, 1), source, description, takes="RGB, from 0 to 255")
    return FunctionNetwork(function, replace(facts, sha256=source.files_sha256), device, reader)
