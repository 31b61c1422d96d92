"""What configs name by `type`: found in registries, without importing what a text asks for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anomaly_eval.errors import closest
from gmmseg.class_names import class_names_of_config, datasets_of_config

_ZOO = {"mmengine": "mmengine", "mmseg": "mmsegmentation", "mmdet": "mmdet==3.3.0"}
"""Packages whose modules networks of mmsegmentation are made of, which imports them itself; and how to install them."""
_REGISTRIES = ("MODELS", "TASK_UTILS", "WEIGHT_INITIALIZERS")


def with_registered_names(value: Any) -> Any:
    """Return settings in which each `type` that is the full name of a registered class is the name it goes by there.

    So configs of the new style name classes. What is not registered stays as it is.
    """
    if isinstance(value, dict):
        named = {key: with_registered_names(item) for key, item in value.items()}
        kind = named.get("type")
        return named | {"type": _registered_name(kind)} if isinstance(kind, str) else named
    if isinstance(value, list | tuple):
        return type(value)(with_registered_names(item) for item in value)
    return value


def unregistered(value: Any) -> Iterator[object]:
    """Go through every `type` in settings that no registry has, and every scope of another package."""
    if isinstance(value, dict):
        scope, kind = value.get("_scope_", "mmseg"), value.get("type")
        if not _is_known(scope):
            yield f"{scope}.{kind}"
        elif kind is not None and not _is_registered(kind, scope):
            yield kind
        for item in value.values():
            yield from unregistered(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from unregistered(item)


def is_of_missing_package(kind: object) -> bool:
    """Whether a `type` is of a package of the zoo that is not installed."""
    package = str(kind).partition(".")[0]
    return package in _ZOO and find_spec(package) is None


def what_is_missing(kind: object, settings: Mapping[str, Any]) -> str:
    """Say what is wrong with a `type` that no registry has, and what to do."""
    package = str(kind).partition(".")[0]
    if is_of_missing_package(kind):
        return f"which is no module of mmsegmentation but of {package}, which is not there; pip install {_ZOO[package]}"
    imports = settings.get("custom_imports")
    asked = imports.get("imports") if isinstance(imports, Mapping) else None
    asked = [asked] if isinstance(asked, str) else asked
    names = [name for name in asked or () if isinstance(name, str) and name.isprintable()][:3]
    module = f"the module that registers it ({', '.join(names)[:200]})" if names else "the module that registers it"
    close = closest(kind, _names()) if isinstance(kind, str) else None
    guess = f" (did you mean {close}?)" if close else ""
    return (
        f"which is no module of mmsegmentation{guess}; name {module} with --import if you trust it, or a config file "
        f"that you trust with --config"
    )


def names_of_data(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what a config calls the classes of its data: what it says itself, else what its data sets are known by.

    None where neither says anything, or nothing that is text.
    """
    import mmseg.datasets  # noqa: F401  (registers them)
    from mmseg.registry import DATASETS

    try:
        given = class_names_of_config(settings)
    except ValueError:
        return None
    if given is not None:
        return given
    for dataset in datasets_of_config(settings):
        kind = dataset.get("type")
        known = DATASETS.module_dict.get(kind.rpartition(".")[2]) if isinstance(kind, str) else None
        names = getattr(known, "METAINFO", {}).get("classes")
        if names:
            return tuple(names)
    return None


def _is_known(scope: object) -> bool:
    return isinstance(scope, str) and _registries(scope) != ()


def _is_registered(kind: object, scope: str) -> bool:
    if not isinstance(kind, str):
        return False
    package, _, name = kind.rpartition(".")
    if package:
        return _is_known(package) and any(name in registry for registry in _registries(package))
    return any(
        kind in registry for package in dict.fromkeys((scope, "mmseg", "mmengine")) for registry in _registries(package)
    )


def _registered_name(kind: str) -> str:
    """Return the name of a class that is given in full, as in `mmseg.models.backbones.ResNet`, if one has it."""
    module, _, attribute = kind.rpartition(".")
    if not module or module in _ZOO:
        return kind
    # Only what is imported already is looked at.
    found = vars(sys.modules[module]).get(attribute) if module in sys.modules else None
    if found is None:
        return kind
    for package in _ZOO:
        for registry in _registries(package):
            for name, registered in registry.items():
                if registered is found or _extends(registered, found):
                    return name if package in ("mmseg", "mmengine") else f"{package}.{name}"
    return kind


def _extends(registered: object, found: object) -> bool:
    """Whether one is the other with changes of mmcv, under the same name, as `SyncBatchNorm` is."""
    return (
        isinstance(registered, type)
        and isinstance(found, type)
        and registered.__name__ == found.__name__
        and issubclass(registered, found)
    )


def _names() -> list[str]:
    return [name for registry in _registries("mmseg") for name in registry]


def _registries(package: str) -> tuple[Mapping[str, object], ...]:
    """Return the registries of a package, with its models in them.

    Nothing where it is not installed, and nothing for packages outside of the zoo that nobody imported.
    """
    try:
        if package in ("mmseg", "mmdet"):
            import_module(f"{package}.models")
        registry = import_module(f"{package}.registry") if package in _ZOO else sys.modules[f"{package}.registry"]
    except Exception:  # other packages fail in their own ways where their versions do not fit
        return ()
    return tuple(getattr(registry, name).module_dict for name in _REGISTRIES if hasattr(registry, name))
