"""What takes the place of objects of other packages while a checkpoint is read, so that nothing of theirs runs."""

from __future__ import annotations

import pickletools
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_DICTIONARIES = frozenset(
    {
        "mmengine.config.config.ConfigDict",
        "mmcv.utils.config.ConfigDict",
        "addict.Dict",
        "addict.addict.Dict",
        "easydict.EasyDict",
        "yacs.config.CfgNode",
        "detectron2.config.config.CfgNode",
        "fvcore.common.config.CfgNode",
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning.pytorch.utilities.parsing.AttributeDict",
        "collections.defaultdict",
    }
)
"""Classes whose objects are dictionaries with other manners."""
_LISTS = frozenset({"collections.deque"})
_DATA = frozenset({"argparse.Namespace", "types.SimpleNamespace", "functools.partial"}) | {
    f"builtins.{name}"
    for name in ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "range", "slice", "str", "tuple")
}
_DATA_MODULES = frozenset({"collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid"})
"""Of the standard library: what people keep beside weights. Anything else of it in a file is no data."""


class StandIn:
    """An object of a class that is not ours: it keeps what the file says of it, and does nothing."""

    path = "an unknown class"
    """Full name of the class."""
    state: object = None

    def __new__(cls, *_: object, **__: object) -> StandIn:
        """Take whatever the class would take."""
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        """Keep nothing of it."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    @property
    def settings(self) -> object:
        """The dictionary within a `Config` of mmengine or mmcv; None in others."""
        return self.state[0] if isinstance(self.state, tuple) and self.state else _field(self.state, "_cfg_dict")


class _PlainDictionary:
    """Makes an ordered dictionary, the one kind that PyTorch's reader fills, where a file asks for another."""

    def __new__(cls, *given: Any, **more: Any) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        mappings = [value for value in given if isinstance(value, dict)]
        return OrderedDict(*mappings[:1], **more)


class _PlainList:
    """Makes a list, the one kind that PyTorch's reader extends, where a file asks for another sequence."""

    def __new__(cls, *given: Any) -> list[Any]:  # type: ignore[misc]
        return list(given[0]) if given and isinstance(given[0], list | tuple) else []


def stand_ins(path: Path) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return what takes the place of every class and function that a file names and PyTorch does not allow by itself.

    Names that say that something is to be run get none, so that PyTorch refuses them. Raises errors of many kinds for
    a damaged file.
    """
    return [(_stand_in(_today(name)), name) for name in sorted(_foreign_names(path)) if not _would_run(_today(name))]


def is_of_python(name: str) -> bool:
    """Whether a class or function of this full name is one of the standard library."""
    return name.partition(".")[0] in sys.stdlib_module_names


def _stand_in(name: str) -> Callable[..., Any]:
    if name in _DICTIONARIES:
        return _PlainDictionary
    if name in _LISTS:
        return _PlainList
    return type("StandIn", (StandIn,), {"path": name})


def _today(name: str) -> str:
    """Return a name of the standard library as Python 3 has it: the protocol of PyTorch's pickles is of Python 2."""
    module, _, last = name.rpartition(".")
    return f"{IMPORT_MAPPING.get(module, module)}.{last}"


def _would_run(name: str) -> bool:
    """Whether a name of the standard library is more than a kind of data."""
    module = name.rpartition(".")[0]
    first = module.partition(".")[0]
    if name in _DATA | _DICTIONARIES or first in _DATA_MODULES:
        return False
    return is_of_python(name) or not first


def _foreign_names(path: Path) -> set[str]:
    if zipfile.is_zipfile(path):
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    names = set()
    with path.open("rb") as file:
        # Before the archive, PyTorch wrote five pickles: two numbers, the machine, the content, the keys of storages.
        for _ in range(5):
            for operation, argument, _place in pickletools.genops(file):
                if operation.name == "GLOBAL":
                    module, _, name = str(argument).partition(" ")
                    names |= {f"{module}.{name}", _today(f"{module}.{name}")}
    # Those that PyTorch allows by itself it takes first.
    return names - {_name_of(allowed) for allowed in torch.serialization.get_safe_globals()}


def _name_of(allowed: Callable[..., Any] | tuple[Callable[..., Any], str]) -> str:
    return allowed[1] if isinstance(allowed, tuple) else f"{allowed.__module__}.{allowed.__qualname__}"


def _field(state: object, name: str) -> object:
    return state.get(name) if isinstance(state, dict) else None
