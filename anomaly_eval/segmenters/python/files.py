"""A function in a Python file that the user named: the file runs, and so does the function."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from anomaly_eval.errors import InputError, nearest
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.segmenters.python.modules import Source, printing_aside
from anomaly_eval.segmenters.python.signature import call
from gmmseg.checkpoints import sha256_of_file

_LARGEST = 1 << 24
_MOST_NAMES = 20
_imported: set[str] = set()
"""Names of modules that lay beside files that were run; beside the next one others may be called so."""


def build_from_file(path: Path, function: str, weights: Path | None, device: torch.device) -> tuple[Any, Source]:
    """Run a file and its function; return what the function returned, and where it came from.

    Raises InputError for a file or a function that is not there, and where either of them fails.
    """
    name = f"{path.name}:{function}"
    try:
        content = read_regular(path, _LARGEST)
    except FileNotFoundError as error:
        raise InputError(f"there is no Python file {path}; write FILE.py:FUNCTION.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); write FILE.py:FUNCTION.") from error
    files, notes = hashlib.sha256(content), list[str]()
    if weights is not None:
        if not weights.exists():
            raise InputError(f"there is no file {weights}, which {name} is to take; check --ckpt.")
        if weights.is_file():
            of_weights = sha256_of_file(weights)
            files.update(of_weights.encode())
            notes.append(f"weights: {weights.name}, sha256 {of_weights}")
    if not function:
        raise InputError(
            f"{path} needs the name of its function that builds the network ({_functions_of(content)}); write "
            f"{path}:NAME."
        )
    with _importable(path.resolve().parent), printing_aside():
        try:
            module = _run(path, content)
            found = _function(module, path, function)
            built = call(found, name, weights, device)
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # programs fail in their own ways, and some end themselves
            said = _what_failed(error, path)
            asks_for_gpu = device.type == "cpu" and "cuda" in said.casefold()
            remedy = "let it take a parameter called device" if asks_for_gpu else "correct the file"
            raise InputError(f"{name} cannot be built: {said}; {remedy}.") from error
    return built, Source(name, str(path) + f":{function}", files.hexdigest(), tuple(notes))


def _run(path: Path, content: bytes) -> ModuleType:
    """Run the content of a file as a module, which stays known, as compilers look modules up."""
    module_name = f"model_file_{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise InputError(f"{path} is no Python file; write FILE.py:FUNCTION.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    exec(compile(content, path, "exec"), vars(module))
    return module


def _function(module: ModuleType, path: Path, function: str) -> Any:
    own = [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    ]
    if not hasattr(module, function):
        has = nearest(function, own) if own else "it has none at all"
        raise InputError(f"{path} has no function {function!r}; {has}.")
    found = getattr(module, function)
    if not callable(found):
        raise InputError(f"{function!r} in {path} is a {type(found).__name__}; name a function that builds a network.")
    return found


def _functions_of(content: bytes) -> str:
    """Say which functions and classes a file has, without running it."""
    try:
        parts = ast.parse(content).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it is no Python"
    names = [part.name for part in parts if isinstance(part, ast.FunctionDef | ast.ClassDef)]
    return f"it has {', '.join(names[:_MOST_NAMES])}" if names else "it has none"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules be imported that lie in a folder, and no longer those beside a file that ran before."""
    for name in list(_imported):
        if not _is_beneath(sys.modules.get(name), folder):
            sys.modules.pop(name, None)
            _imported.discard(name)
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    # Files that were written since the last look are not seen else.
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))
        new = {name: module for name, module in sys.modules.items() if name not in before}
        _imported.update(name for name, module in new.items() if _is_beneath(module, folder))


def _is_beneath(module: ModuleType | None, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)


def _what_failed(error: BaseException, path: Path) -> str:
    """Say which error it was, and in which line of the file."""
    said = [line for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {said[0].strip()[:300].rstrip('.')}" if said else type(error).__name__
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return f"line {lines[-1]}, {shown}" if lines and lines[-1] is not None else shown
