"""What networks of one's own return, in the forms that the field uses, as maps by the fields of `Prediction`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.base import ALL_OUTPUTS, CLASS_OUTPUTS

_SUM_TOLERANCE = 1e-3
_MAPS = ALL_OUTPUTS - {"classifier"}
_OUT = "out"
"""What torchvision calls logits."""


@dataclass(frozen=True)
class OutputReader:
    """Reads what a network returns for n inputs, or a function for one image."""

    name: str
    """What sentences call the network."""
    of_image: bool = False
    """Whether maps are (channels, rows, columns) of one image."""

    def read(self, returned: object, count: int) -> dict[str, Tensor]:
        """Return the maps (n, channels, rows, columns) by the fields of `Prediction`, one that says the class first.

        A tensor; a dictionary with `out` or with fields of `Prediction`; an object with `logits`; or a tuple or list
        that begins with one of them. Raises InputError for everything else.
        """
        found = self._fields(returned)
        kept = next((name for name in CLASS_OUTPUTS if name in found), None)
        if kept is None:
            keys = ", ".join(map(repr, list(returned)[:8])) if isinstance(returned, Mapping) else ""
            what = f"a dictionary of {keys or 'nothing'}" if isinstance(returned, Mapping) else _kind(returned)
            raise InputError(f"{self.name} returns {what}; return {self._wanted}, or a dictionary of it as 'out'.")
        others = [name for name in found if name not in CLASS_OUTPUTS]
        return {name: self._maps(found[name], name, count) for name in (kept, *others)}

    @property
    def _wanted(self) -> str:
        """The shape of what should be returned."""
        return "maps (classes, rows, columns)" if self.of_image else "a tensor (images, classes, rows, columns)"

    def _fields(self, returned: object) -> dict[str, Any]:
        if isinstance(returned, tuple | list) and returned:
            return self._fields(returned[0])
        if isinstance(returned, Tensor | np.ndarray):
            return {"logits": returned}
        if isinstance(returned, Mapping):
            fields = {name: returned[name] for name in returned if name in _MAPS and returned[name] is not None}
            return {"logits": returned[_OUT]} | fields if _OUT in returned else fields
        logits = getattr(returned, "logits", None)
        return {} if logits is None else {"logits": logits}

    def _maps(self, values: Any, name: str, count: int) -> Tensor:
        """Return maps of one field; raises InputError for another shape or type."""
        maps = torch.from_numpy(values) if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" else values
        if not isinstance(maps, Tensor):
            raise InputError(f"{self.name} returns {_kind(values)} as {name}; return {self._wanted}.")
        shape = tuple(maps.shape)
        if self.of_image:
            maps = maps[None]
        if maps.dim() != 4 or 0 in maps.shape:
            raise InputError(f"{self.name} returns {name} of the shape {_shape(shape)}; return {self._wanted}.")
        if not maps.is_floating_point():
            raise InputError(
                f"{self.name} returns {name} of whole numbers ({str(maps.dtype).removeprefix('torch.')}); return "
                f"a value for each class, before any argmax."
            )
        if len(maps) != count:
            raise InputError(
                f"{self.name} returns {name} of {len(maps)} images for an input of {count}; return one for each, as "
                f"{self._wanted}."
            )
        if name != "features" and maps.shape[1] < 2:
            raise InputError(
                f"{self.name} returns {name} of a single class; two or more are needed, as scores compare classes."
            )
        return maps


def are_probabilities(values: Tensor) -> bool:
    """Whether maps (n, classes, rows, columns) are at least 0 and sum to 1 over the classes, to 1e-3."""
    maps = values.detach().float()
    sums = maps.sum(1)
    return bool((maps.amin() >= 0) & ((sums - 1).abs().amax() <= _SUM_TOLERANCE))


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "of a single number"
