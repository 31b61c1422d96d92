"""A temporary folder inside an output folder, for what is kept while images pass by."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import TypeVar

_Store = TypeVar("_Store", bound="TemporaryStore")


class TemporaryStore:
    """Base of stores that keep files until they end. Use it as a context manager."""

    def __init__(self, folder: Path, prefix: str) -> None:
        """Make the temporary folder inside `folder`, which exists; raises OSError where it cannot be written."""
        self._temporary = tempfile.TemporaryDirectory(prefix=prefix, dir=folder)
        self._folder = Path(self._temporary.name)

    def __enter__(self: _Store) -> _Store:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary folder."""
        self._temporary.cleanup()
