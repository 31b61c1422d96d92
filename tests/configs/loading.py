"""Loading the shipped configs, and comparing them."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gmmseg  # noqa: F401  isort: skip
import mmengine.config.utils
from mmengine.config import Config
from mmengine.hub import get_config

from anomaly_eval.runtime.shipped import shipped_folder

FOLDER = shipped_folder("configs")
DEMO = "segformer_r18w16_synthetic_streets"
"""Not of photographs, and so in none of the tables below."""
SMALL = "efficientnet-lite0_cityscapes-512x256"
"""The networks that ship trained, on a backbone that mmsegmentation does not have."""


def _named(kind: str) -> list[str]:
    names = {path.stem.removeprefix(f"{kind}_") for path in FOLDER.glob(f"{kind}_*.py")} - {DEMO}
    return sorted(name for name in names if not name.startswith(SMALL))


SOFTMAX, GMMSEG = _named("softmax"), _named("gmmseg")
ALL = [f"{kind}_{name}" for name in SOFTMAX for kind in ("softmax", "gmmseg")]


# mmengine reads the zoo's fifty YAML files anew for every `mmseg::`.
_remembering = patch.object(mmengine.config.utils, "load", cache(mmengine.config.utils.load))


@cache
def _load(path: Path) -> Config:
    with _remembering:
        return Config.fromfile(path)


def load_from_zoo(name: str) -> Config:
    """Return a whole config of mmsegmentation."""
    with _remembering:
        return get_config(f"mmseg::{name}")


def load(name: str) -> Config:
    """Return a shipped config by name, free to be changed."""
    return copy.deepcopy(_load(FOLDER / f"{name}.py"))


def plain(value: Any) -> Any:
    """Return a config or a part of it as plain containers, without the scope that mmengine notes in bases."""
    if isinstance(value, Config):
        return plain(value.to_dict())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "_scope_"}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def differences(left: Any, right: Any, path: str = "") -> set[str]:
    """Return the dotted paths at which two plain containers differ; a list differs in its items, by index."""
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        left, right = dict(enumerate(left)), dict(enumerate(right))
    if isinstance(left, dict) and isinstance(right, dict):
        found: set[str] = set()
        for key in left.keys() | right.keys():
            inner = f"{path}.{key}".removeprefix(".")
            if key not in left or key not in right:
                found.add(inner)
            else:
                found |= differences(left[key], right[key], inner)
        return found
    return set() if left == right else {path}


def heads(config: Config) -> list[Any]:
    """Return the decode heads of a config's model: one, or those of a cascade."""
    head = config.model.decode_head
    return head if isinstance(head, list) else [head]


def step(pipeline: list[Any], kind: str) -> Any:
    """Return the one step of a pipeline that is of this type."""
    (found,) = (item for item in pipeline if item.type == kind)
    return found
