"""Importing modules that the user named, because networks are made of what they register."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from anomaly_eval.errors import InputError
from gmmseg.errors import reason_of


def import_modules(names: Sequence[str]) -> dict[str, str]:
    """Import modules by name, or from .py files, each once; they run. Return the SHA-256 of the file of each.

    What they import themselves has no hash. Raises InputError for those that are not there or fail.
    """
    if names:
        # Modules of one's own import mmsegmentation, which is let in here where mmcv has no compiled operations.
        import gmmseg  # noqa: F401
    found = {}
    for name in names:
        try:
            module = _import_file(Path(name)) if name.endswith(".py") else _import_from_here(name)
            if module.__file__ is not None:
                found[name] = hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # a module is a program and fails in its own ways
            raise InputError(
                f"--import {name} fails ({reason_of(error)}); give a .py file, or the name of a module that Python "
                f"finds, as in PYTHONPATH=FOLDER."
            ) from error
    return found


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"--import {path}: there is no such file; check the path.")
    path = path.resolve()
    there = sys.modules.get(path.stem)
    if there is not None:
        # A config that asks for the module by its name may have been faster.
        if Path(getattr(there, "__file__", None) or "").resolve() == path:
            return there
        raise InputError(f"--import {path}: a module called {path.stem} is imported already; rename the file.")
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"--import {path} is no module of Python; give a .py file.")
    module = module_from_spec(spec)
    # So that configs find it by its name, and it finds its neighbours.
    sys.modules[path.stem] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _import_from_here(name: str) -> ModuleType:
    """Import by name; the folder that the command runs in is looked at last."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    return import_module(name)
