"""Class maps on the network's own grid, written as arrays and read again, every bit as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.segmenters.coarse_maps import CoarseMaps

_GRID = "/grid"


def as_arrays(maps: Mapping[str, CoarseMaps]) -> dict[str, NDArray[Any]]:
    """Return maps by name as arrays: the values (channels, h, w) of each, and where its grid lies.

    Maps that several names share are one array, whose name lists theirs; none may hold a space.
    """
    names: dict[int, list[str]] = {}
    for name, one in maps.items():
        names.setdefault(id(one), []).append(name)
    arrays: dict[str, NDArray[Any]] = {}
    for shared in names.values():
        one, name = maps[shared[0]], " ".join(shared)
        arrays[name] = np.ascontiguousarray(one.values.cpu().numpy())
        arrays[name + _GRID] = np.array([*one.size, *one.extent, one.align_corners], np.float64)
    return arrays


def are_coarse(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these arrays are of `as_arrays`."""
    return any(name.endswith(_GRID) for name in arrays)


def from_arrays(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, CoarseMaps]:
    """Return the maps by name from what `as_arrays` returned, shared as they were."""
    maps: dict[str, CoarseMaps] = {}
    for name, values in arrays.items():
        if name.endswith(_GRID):
            continue
        height, width, *extent, align_corners = arrays[name + _GRID].tolist()
        # Copied, as the last bits of a product may depend on how its arrays lie in memory.
        found = torch.tensor(values, device=device)
        one = CoarseMaps(found, (int(height), int(width)), (extent[0], extent[1]), bool(align_corners))
        maps |= dict.fromkeys(name.split(" "), one)
    return maps
