"""Arrays in a temporary folder inside an output folder: what is kept while images pass by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError

_Store = TypeVar("_Store", bound="TemporaryArrays")


class TemporaryArrays:
    """Base of stores that keep arrays under keys, a file for each, until they end. Use it as a context manager."""

    def __init__(self, folder: Path, prefix: str, refusal: Callable[[Path, OSError], InputError]) -> None:
        """Make the temporary folder inside `folder`, which exists; `refusal` says why nothing can be kept in a folder.

        Raises what it returns where the folder cannot be written.
        """
        try:
            self._temporary = tempfile.TemporaryDirectory(prefix=prefix, dir=folder)
        except OSError as error:
            raise refusal(folder, error) from error
        self._within, self._refusal = folder, refusal
        self._files: dict[tuple[str, ...], Path] = {}

    def keep(self, *key: str, **arrays: NDArray[Any]) -> None:
        """Keep arrays by name; raises ValueError for a key that is there already, and a refusal for a full disk."""
        if key in self._files:
            raise ValueError(f"{', '.join(key)} is kept already")
        file = Path(self._temporary.name) / f"{len(self._files)}.npz"
        try:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise self._refusal(self._within, error) from error
        self._files[key] = file

    def load(self, *key: str, name: str) -> NDArray[Any]:
        """Read an array back."""
        with np.load(self._files[key]) as file:
            found: NDArray[Any] = file[name]
            return found

    def __contains__(self, key: tuple[str, ...]) -> bool:
        return key in self._files

    def __enter__(self: _Store) -> _Store:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary folder."""
        self._temporary.cleanup()
