"""Results appear whole or not at all: an output folder, and single files, that take their name at the end.

What a run that was killed leaves beside them is found by the locks that are no longer held, and cleared.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.locks import BusyError, try_lock
from anomaly_eval.runtime.our_folders import is_marked

RESULTS_FILE = "results.json"
_TABLES = {
    "results.csv",
    "results.tex",
    "results.md",
    "intervals.csv",
    "differences.csv",
    "counts.npz",
    "per_image.csv",
    "per_image.tex",
    "curves.csv",
    "histograms.csv",
    "components.csv",
    "components.tex",
    "operating_points.csv",
    "operating_points.tex",
    "thresholds.json",
    "closed_set.csv",
    "closed_set_classes.csv",
    "closed_set.tex",
}
# These can only come from writing, wherever they are raised; the others may be about a file that was read.
ERRORS_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


@dataclass(frozen=True)
class FolderKind:
    """How a folder is recognised as one of ours: what it may hold, and one of the files of `MARKERS`.

    holds: of which kind folders of any name in it may be, beside the entries.
    """

    marker: str
    entries: frozenset[str]
    holds: FolderKind | None = None


RESULTS = FolderKind(
    RESULTS_FILE,
    entries=frozenset({RESULTS_FILE, "index.html", "heatmaps", "figures", "scores"} | _TABLES),
)


class OutputFolder:
    """A folder that is filled under a temporary name and takes its own name when all went well.

    Made by `prepare_output`. Use it as a context manager and write into `path`. When the block ends, the
    temporary folder is renamed to `folder`, in the place of the results that were there before. When the
    block raises, whatever it raises, the temporary folder is removed and earlier results stay as they were.
    """

    def __init__(self, folder: Path, overwrite: bool, kind: FolderKind = RESULTS) -> None:
        """Take the final path; nothing is checked or written yet."""
        self.folder = folder
        self.overwrite = overwrite
        self.kind = kind
        # A symbolic link stays a link: what it points to is replaced.
        self._target = Path(os.path.realpath(folder))
        self.path = _sibling(self._target, "partial")
        self._new_parents: list[Path] = []
        self._held: int | None = None

    def __enter__(self) -> OutputFolder:
        """Make the temporary folder, and the parents that are missing; delete those of runs that were killed.

        Raises InputError where it cannot be made.
        """
        self._new_parents = missing_parents(self._target)
        try:
            remove_abandoned(self._target)
            self._make()
        except OSError as error:
            self._remove()
            raise cannot_write(self.folder, error) from error
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename the temporary folder, or remove it where the block raised.

        Raises InputError where the block failed because the disk could not take the results, and where the
        finished folder cannot be renamed; then, and only then, it stays under its temporary name.
        """
        try:
            if error is None:
                self._publish()
                return
            self._remove()
        finally:
            self._let_go()
        if isinstance(error, OSError) and self._is_about_writing(error):
            raise cannot_write(self.folder, error) from error

    def _make(self) -> None:
        """Make the temporary folder and hold it, so that no other run takes it for abandoned."""
        while True:
            self.path.mkdir(parents=True)
            try:
                self._held = try_lock(self.path)
                return
            except (BusyError, FileNotFoundError):
                # Another run came between the two calls, and deletes it.
                self.path = _sibling(self._target, "partial")

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _publish(self) -> None:
        """Give the finished folder its name; earlier results are deleted once the new ones are in place."""
        try:
            # Hours may have passed since the first check, and another run may have taken the name.
            check_output(self.folder, self.overwrite, self.kind)
            _replace_folder(self.path, self._target)
        except (OSError, InputError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._rename_finished()
            raise InputError(
                f"the results are complete but could not be named {self.folder} ({reason}); "
                f"they are in {self.path}: move them where you want them."
            ) from error

    def _rename_finished(self) -> None:
        """Tell finished results from the temporary folders that the next run for the same place deletes."""
        finished = _sibling(self._target, "finished")
        try:
            self.path.rename(finished)
        except OSError:
            return
        self.path = finished

    def _remove(self) -> None:
        """Delete the temporary folder and the parents that were made for it and are empty."""
        shutil.rmtree(self.path, ignore_errors=True)
        remove_empty(self._new_parents)

    def _is_about_writing(self, error: OSError) -> bool:
        """Whether an error says that results cannot be written, rather than that something cannot be read."""
        name = error.filename
        ours = isinstance(name, str | os.PathLike) and self.path in Path(name).parents
        return ours or error.errno in ERRORS_OF_WRITING


def prepare_output(folder: Path, overwrite: bool, kind: FolderKind = RESULTS) -> OutputFolder:
    """Check that results may be put at `folder`, before anything is computed; enter the answer to write.

    With `overwrite`, the whole folder will be replaced, and only if an earlier run wrote it. Raises
    InputError where the path is a file, a folder that is not empty, a folder to replace that is not of this `kind`,
    or a mount point.
    """
    check_output(folder, overwrite, kind)
    return OutputFolder(folder, overwrite, kind)


def check_output(folder: Path, overwrite: bool, kind: FolderKind = RESULTS) -> None:
    """Raise InputError where results must not be put at `folder`, as described at `prepare_output`."""
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise InputError(f"{folder} is a file; choose another --out.")
        empty = next(folder.iterdir(), None) is None
        mounted = os.path.ismount(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    if not empty and not overwrite:
        try:
            check_output(folder, True, kind)
        except InputError:
            remedy = "choose another --out"
        else:
            remedy = "choose another --out, or add --overwrite"
        raise InputError(f"{folder} exists and is not empty; {remedy}.")
    if not empty and not is_marked(folder, kind.marker):
        raise InputError(
            f"{folder} holds no {kind.marker} written by this tool, so --overwrite will not delete it; "
            f"choose another --out."
        )
    foreign = _foreign(folder, kind)
    if foreign:
        raise InputError(
            f"{folder} also holds {foreign[0]}, which is not ours and --overwrite would delete; choose another --out."
        )
    if mounted:
        raise InputError(
            f"{folder} is a mount point, which cannot be replaced as a whole; "
            f"choose a folder inside it, such as --out {folder / 'results'}."
        )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file such that, whatever happens, `path` holds the old content or all of the new.

    Raises InputError where the file cannot be written.
    """
    partial = _sibling(path, "partial")
    try:
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def missing_parents(path: Path) -> list[Path]:
    """Return the folders above `path` that do not exist, the innermost first."""
    return [parent for parent in path.parents if not os.path.lexists(parent)]


def remove_empty(folders: Sequence[Path]) -> None:
    """Delete folders, the innermost first, until one is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _sibling(path: Path, word: str) -> Path:
    """Return a hidden name beside `path` that nothing has yet."""
    return path.parent / f".{path.name}.{word}-{secrets.token_hex(4)}"


def _replace_folder(new: Path, target: Path) -> None:
    """Rename `new` to `target`, whose folder, if any, is put back on failure and deleted on success."""
    if not target.exists():
        new.rename(target)
        return
    old = _sibling(target, "replaced")
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        raise
    # The results are in place: a file of the old ones that cannot be deleted is no reason to fail.
    shutil.rmtree(old, ignore_errors=True)


def _foreign(folder: Path, kind: FolderKind) -> list[str]:
    """Return the names in a folder that are not of its kind."""

    def is_held(entry: Path) -> bool:
        held = kind.holds
        return held is not None and entry.is_dir() and is_marked(entry, held.marker) and not _foreign(entry, held)

    return sorted(entry.name for entry in folder.iterdir() if entry.name not in kind.entries and not is_held(entry))


def cannot_write(path: Path, error: OSError) -> InputError:
    """Say in one sentence why the results cannot be written."""
    return InputError(f"cannot write {path}: {error.strerror or error}; choose a place that can be written.")


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
