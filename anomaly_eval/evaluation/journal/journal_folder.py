"""The folder of a journal: what lies where, and how it is locked, begun, seen by other processes, and deleted."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.fingerprint import Fingerprint, differences
from anomaly_eval.evaluation.journal.record_store import RecordFolder
from anomaly_eval.runtime.locks import BusyError, try_lock
from anomaly_eval.runtime.output_folder import (
    ERRORS_OF_WRITING,
    cannot_write,
    missing_parents,
    remove_empty,
    restore_replaced,
    write_atomically,
)
from anomaly_eval.runtime.safe_read import read_regular

_LOCK, _RUN, _TOKEN, _PUBLICATION = "lock", "run.json", "token", "publication"
_PARTS = "networks"
_STATISTICS, _SUMS = "statistics.safetensors", "sums.record"
_MOST_BYTES = 1 << 30
_TRIES = 5
_SHARED_AFTER, _POLL = 15.0, 0.1
"""Seconds after which a file that another process wrote must be seen on a shared disk."""


class UnwritableError(Exception):
    """The journal cannot be written; the message says why."""


class JournalFolder:
    """The hidden folder beside an output folder; nothing is read or written until it is asked for.

    That of a run of several networks holds a folder of the same kind for each.
    """

    def __init__(
        self,
        out: Path,
        datasets: Sequence[SampleSet] = (),
        fit_set: SampleSet | None = None,
        *,
        parts: Sequence[str] = (),
        within: Path | None = None,
    ) -> None:
        """Take the output folder or file, the datasets whose images get records, and the one that is fitted on.

        parts: names of files for several networks. within: where it lies, if not beside the output.
        """
        self.out = out
        self.target = Path(os.path.realpath(out))
        self.path = within or self.target.parent / f".{self.target.name}.journal"
        self.whole = self.path if within is None else within.parent.parent
        """The folder of the whole run."""
        self.parts = {name: JournalFolder(out, datasets, fit_set, within=self.path / _PARTS / name) for name in parts}
        self.records = RecordFolder(self.path / "records", datasets)
        # Those of a dataset that is both fitted on and evaluated are not the same.
        self.fit_records = RecordFolder(self.path / "fit", [fit_set] if fit_set is not None else [])
        # What scores learnt, what images add up to while they do, and what shows several processes the same folder.
        self.statistics, self.sums, self.token = self.path / _STATISTICS, self.path / _SUMS, self.path / _TOKEN
        self._deleted = False

    @property
    def holds_work(self) -> bool:
        """Whether any image has a record, or scores were fitted, wholly or in part."""
        fitted = self.statistics.exists() or self.sums.exists()
        own = fitted or not (self.records.empty and self.fit_records.empty)
        return own or any(part.holds_work for part in self.parts.values())

    def clear_others(self, overwrite: bool) -> None:
        """Make sure that no interrupted run of other networks is kept here, in the lock of the folder.

        Raises InputError where there is one and `overwrite` does not say that it may be deleted.
        """
        kept = [found for found in self.path.glob(f"{_PARTS}/*") if found.name not in self.parts]
        names = [found.name for found in kept if (found / _RUN).is_file()]
        if self.parts and (self.path / _RUN).is_file():
            names.append("one alone")
        if names and not overwrite:
            raise InputError(
                f"an interrupted run for {self.out} was of others than this one ({', '.join(sorted(names))}); give "
                f"the same networks and the same --ensemble to go on, add --overwrite to delete what it did, or choose "
                f"another --out."
            )
        for found in kept:
            shutil.rmtree(found, ignore_errors=True)
        remove_empty([self.path / _PARTS])
        if self.parts:
            with suppress(OSError):
                self._clear_own()

    def said(self, what: str) -> str:
        """Return the key under which processes tell each other something of this journal."""
        return f"{self.path.name}/{what}"

    def note_publication(self, partial: Path) -> None:
        """Note which folder is about to be renamed to the output folder."""
        with suppress(OSError):
            (self.path / _PUBLICATION).write_text(partial.name, encoding="utf-8")

    def sweep(self) -> None:
        """Delete the journal of a run that was killed after its results had their name; raises as `locked` does."""
        note = self.path / _PUBLICATION
        if not self.path.is_dir() or (self.holds_work and not note.is_file()):
            return
        # What holds no work goes with the lock.
        with self.locked():
            if self._published():
                self.delete()
            note.unlink(missing_ok=True)

    def _published(self) -> bool:
        """Whether the folder that was about to be renamed has been."""
        try:
            partial = (self.path / _PUBLICATION).read_text(encoding="utf-8")
        except OSError:
            return False
        return bool(partial) and self.target.exists() and not (self.target.parent / partial).exists()

    def sweep_copied(self) -> None:
        """Delete the journal of a fit that was killed after its file had its name; raises as `locked` does."""
        copied = False
        with suppress(OSError):
            copied = self.statistics.read_bytes() == self.target.read_bytes()
        if self.path.is_dir() and (copied or not self.holds_work):
            # What holds no work goes with the lock.
            with self.locked():
                if copied:
                    self.delete()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away from the output folder; a folder without any work in it is removed in the end.

        Raises InputError where another run is at work, and where the folder cannot be made.
        """
        made = missing_parents(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = self._lock()
            self._deleted = False
        except OSError as error:
            remove_empty([self.path, *made])
            raise cannot_write(self.out, error) from error
        try:
            restore_replaced(self.target)
            yield
        except BaseException:
            # The journal of results that have their name goes with the next run; others are not published.
            with suppress(OSError):
                if not self._published():
                    (self.path / _PUBLICATION).unlink(missing_ok=True)
            raise
        finally:
            # Once, as another run may have made a journal since.
            if not self._deleted and not self.holds_work:
                self.delete()
                remove_empty(made)
            if held is not None:
                os.close(held)

    def begin(self, fingerprint: Fingerprint, overwrite: bool) -> bool:
        """Make the journal that of a run, and return whether it goes on from earlier records.

        A journal of another run is cleared where `overwrite` says so, a damaged one in any case. Raises InputError,
        which names what differs, for one of another run otherwise and where the disk takes nothing more, and
        UnwritableError where only the journal cannot be written.
        """
        before = self.fingerprint()
        if before == fingerprint:
            return self.holds_work
        if before is not None and not overwrite:
            changed = differences(before, fingerprint)
            more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise InputError(
                f"an interrupted run for {self.out} is not this one: {'; '.join(changed[:3])}{more}; undo "
                f"that to go on, add --overwrite to start anew, or choose another --out."
            )
        try:
            self._clear()
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / _RUN, (fingerprint.model_dump_json(indent=1) + "\n").encode())
        except (OSError, InputError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            # Then there is no place for the results either.
            if isinstance(cause, OSError) and cause.errno in ERRORS_OF_WRITING:
                raise cannot_write(self.out, cause) from error
            raise UnwritableError(str(error)) from error
        return False

    def fingerprint(self) -> Fingerprint | None:
        """Return whose records these are; None where there are none, or nobody can tell."""
        try:
            return Fingerprint.model_validate_json(read_regular(self.path / _RUN, _MOST_BYTES))
        except (OSError, ValidationError):
            return None

    def delete(self) -> None:
        """Delete all that we wrote; a file of somebody else stays, and the folder with it."""
        with suppress(OSError):
            self._clear()
            (self.path / _LOCK).unlink(missing_ok=True)
        remove_empty([self.path])
        self._deleted = True

    def drop_sums(self) -> None:
        """Delete the sums of a fit that is over; what cannot be deleted stays."""
        with suppress(OSError):
            self.sums.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Delete all that a run keeps."""
        self._clear_own()
        for part in self.parts.values():
            part._clear()
            remove_empty([part.path, self.path / _PARTS])

    def _clear_own(self) -> None:
        """Delete the records before what says whose they are."""
        self.records.drop()
        self.fit_records.drop()
        for name in (_STATISTICS, _SUMS, _RUN, _TOKEN, _PUBLICATION):
            (self.path / name).unlink(missing_ok=True)
            # What `write_atomically` was killed at.
            for partial in self.path.glob(f".{name}.partial-*"):
                partial.unlink(missing_ok=True)

    def _lock(self) -> int | None:
        """Take the lock of the folder, which a run that ends at this moment may delete."""
        for last in [False] * _TRIES + [True]:
            self.path.mkdir(exist_ok=True)
            (self.path / _LOCK).touch()
            try:
                return try_lock(self.path / _LOCK)
            except FileNotFoundError:
                continue
            except BusyError as error:
                if last:
                    raise InputError(
                        f"another run is writing {self.out} at this moment; wait for its end, or choose another --out."
                    ) from error
        raise InputError(f"{self.path} is deleted as often as it is made; choose another --out.")


def wait_for(there: Callable[[], bool]) -> bool:
    """Wait until something is to be seen, and return whether it is; a shared disk may take a moment."""
    deadline = time.monotonic() + _SHARED_AFTER
    while not there():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def not_shared(journal: Path) -> InputError:
    """Say that what the first process wrote is not to be seen."""
    return InputError(
        f"it does not see the journal {journal} of the first process; all processes need the same --out, on a disk "
        f"that they share."
    )
