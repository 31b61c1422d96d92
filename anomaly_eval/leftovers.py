"""What a run that was killed leaves beside its output: found by the locks that are no longer held, and cleared."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from anomaly_eval.locking import BusyError, try_lock


def remove_abandoned(target: Path) -> None:
    """Delete the temporary folders for `target` that no process holds any more; what cannot be deleted stays."""
    for folder in filter(Path.is_dir, _siblings(target, "partial")):
        try:
            held = try_lock(folder)
        except (BusyError, OSError):
            continue
        # Where there are no locks nobody can tell whether it is still being filled.
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def remove_partial_files(target: Path) -> None:
    """Delete what a run was killed at while it wrote the file `target`; what cannot be deleted stays.

    To be called only while no other run can be writing `target`.
    """
    for entry in _siblings(target, "partial"):
        if entry.is_file():
            with suppress(OSError):
                entry.unlink()


def restore_replaced(target: Path) -> None:
    """Give earlier results their name back where a run was killed between its two renames, and delete old ones.

    To be called only while no other run can be about to rename to `target`.
    """
    for folder in filter(Path.is_dir, _siblings(target, "replaced")):
        if os.path.lexists(target):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.rename(target)


def _siblings(target: Path, word: str) -> list[Path]:
    """Return the files and folders beside `target` with a hidden name that we give for this purpose."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.{word}-[0-9a-f]{{8}}")
    try:
        entries = sorted(target.parent.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if pattern.fullmatch(entry.name) and not entry.is_symlink()]
