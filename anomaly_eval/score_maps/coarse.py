"""Class maps on the network's own grid, written as arrays and read again, every bit as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.segmenters.class_maps import LogProbabilities, QueryEvidence
from anomaly_eval.segmenters.coarse_maps import CoarseMaps

_GRID = "/grid"
_CLASSES = "/classes"
_KINDS: tuple[type[CoarseMaps], ...] = (CoarseMaps, LogProbabilities, QueryEvidence)


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
        kind = _KINDS.index(type(one))
        arrays[name + _GRID] = np.array([*one.size, *one.extent, one.align_corners, kind], np.float64)
        if isinstance(one, QueryEvidence):
            arrays[name + _CLASSES] = np.ascontiguousarray(one.classes.cpu().numpy())
    return arrays


def are_coarse(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these arrays are of `as_arrays`."""
    return any(name.endswith(_GRID) for name in arrays)


def from_arrays(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, CoarseMaps]:
    """Return the maps by name from what `as_arrays` returned, shared as they were."""
    maps: dict[str, CoarseMaps] = {}
    for name, values in arrays.items():
        if name.endswith((_GRID, _CLASSES)):
            continue
        height, width, *extent, align_corners, kind = arrays[name + _GRID].tolist()
        classes = {"classes": torch.tensor(arrays[name + _CLASSES], device=device)} if name + _CLASSES in arrays else {}
        # Copied, as the last bits of a product may depend on how its arrays lie in memory.
        found = torch.tensor(values, device=device)
        size = (int(height), int(width))
        one = _KINDS[int(kind)](found, size, (extent[0], extent[1]), bool(align_corners), **classes)
        maps |= dict.fromkeys(name.split(" "), one)
    return maps
