"""Where a dataset lies that was not found: a folder too deep or too high, or under a name that is nearly right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

Locate = Callable[[Path, Sequence[str]], "Path | None"]
"""Given a data root and names of folders, returns an image of the dataset below them."""

_MOST_FOLDERS = 500
_MOST_LEVELS = 2


def advice(root: Path, folders: Sequence[str], locate: Locate) -> str | None:
    """Say what to do so that a dataset that lies in one of `folders` is found; None where it is not near `root`."""
    root = root.resolve()
    for parent in list(root.parents)[:_MOST_LEVELS]:
        image = locate(parent, folders)
        if image is not None and image.is_relative_to(root):
            return f"{root} is in the dataset itself: give --data-root {parent}"
    inside = list(_folders_in(root))
    for folder in inside:
        if locate(root / folder, folders) is not None:
            return f"it lies a folder deeper: give --data-root {root / folder}"
    for folder in inside:
        if _plain(folder) in map(_plain, folders) and locate(root, [folder]) is not None:
            return f"it lies in {root / folder}: rename that folder to {folders[0]}"
    if root.name and locate(root.parent, [root.name]) is not None:
        return (
            f"if {root} is the dataset itself, rename it to {folders[0]} and give --data-root {root.parent}, where it "
            f"then lies"
        )
    return None


def _folders_in(root: Path) -> Iterator[str]:
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return
    yield from names[:_MOST_FOLDERS]


def _plain(name: str) -> str:
    """Return a name without what is often written otherwise."""
    return "".join(character for character in name.casefold() if character.isalnum())
