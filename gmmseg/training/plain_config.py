"""Configs of any style as one of plain values, which checkpoints can carry and evaluation reads without running it."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
import mmengine.registry
import mmseg.registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

_NAMES_A_CLASS = ("type", "architecture")


def plain_config(config: Config) -> Config:
    """Return a config with names in the place of classes, and with the model's preprocessing within the model.

    Configs of the new style (`from mmseg.models import ...`) name classes; the modules of these are imported.
    """
    # Of the new style, this writes a class as its module and name, and leaves out what the file imported.
    settings = _with_names(config.to_dict())
    # What a file defines on its way to settings is none, and could not be written beside the weights.
    for key in [key for key, value in settings.items() if isinstance(value, ModuleType | FunctionType | type)]:
        del settings[key]
    model, preprocessor = settings.get("model"), settings.get("data_preprocessor")
    if isinstance(model, dict) and preprocessor is not None:
        model.setdefault("data_preprocessor", preprocessor)
    return Config(settings, filename=config.filename)


def _with_names(value: Any) -> Any:
    if isinstance(value, dict):
        named = {key: _with_names(item) for key, item in value.items()}
        return named | {key: _registered(named[key]) for key in _NAMES_A_CLASS if isinstance(named.get(key), str)}
    return type(value)(map(_with_names, value)) if type(value) in (list, tuple) else value


def _registered(name: str) -> str:
    """Return the name under which a class given as `package.module.Name` is registered; any other name as it is."""
    if name.count(".") < 2 and not name.startswith("gmmseg."):  # `mmseg.Name` is the scope of a registry
        return name
    found = get_object_from_string(name)
    names = (key for registry in _registries() for key, value in registry.module_dict.items() if value is found)
    return next(names, name)


def _registries() -> Iterator[Registry]:
    for module in (mmseg.registry, mmengine.registry):
        yield from (value for value in vars(module).values() if isinstance(value, Registry))
