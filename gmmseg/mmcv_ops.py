"""Lets mmseg be imported when mmcv has no compiled operations.

mmseg 1.2 imports `mmcv.ops`, which wants the extension module `mmcv._ext`; mmcv-lite does not have it. Few
networks call these operations, so an empty module stands in, and complains only when one is called.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

EXTENSION = "mmcv._ext"


class MissingOperations(ModuleType):
    """Stands in for the extension module: every operation exists and raises when it is called."""

    def __getattr__(self, name: str) -> Any:
        # Python's own questions (`__file__`, `__path__`, ...) must get the honest answer.
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> NoReturn:
            raise NotImplementedError(
                f"mmcv's compiled operation `{name}` is not available: the installed mmcv has none. "
                "Use a network that does not need it, or install mmcv 2.1.0 with its operations "
                "(see docs/compiled-mmcv.md)."
            )

        return missing


def compiled_operations_exist() -> bool:
    """Tell whether the extension module lies beside the installed mmcv; imports neither of them."""
    package = find_spec("mmcv")
    if package is None or package.submodule_search_locations is None:
        return False
    extension = PathFinder.find_spec(EXTENSION, list(package.submodule_search_locations))
    return extension is not None and extension.loader is not None


def stand_in_for_missing_operations() -> None:
    """Put the stand-in where `import mmcv._ext` finds it, unless there is a real one."""
    if EXTENSION in sys.modules or compiled_operations_exist():
        return
    module = MissingOperations(EXTENSION)
    # Without a loader, mmcv's and mmengine's own checks keep answering that there are no operations.
    module.__spec__ = ModuleSpec(EXTENSION, loader=None)
    sys.modules[EXTENSION] = module
