"""The journal of one run while it lasts: begun, gone on with, and kept where the run does not end well."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.fingerprint import Fingerprint, differences
from anomaly_eval.evaluation.journal.fit_journal import FitJournal
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder, UnwritableError, not_shared, wait_for
from anomaly_eval.evaluation.journal.record_store import RecordFolder, Records
from anomaly_eval.evaluation.processes.team import Team
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.output_folder import write_atomically

_BEGUN = "journal"


class RunJournal:
    """What is kept of finished images. Use it as a context manager, inside the lock of its folder.

    `records` is None until `begin`, and where nothing is kept; `fit` as well, and where nothing is fitted.
    """

    def __init__(
        self, folder: JournalFolder, console: Console, *, wanted: bool = True, team: Team | None = None
    ) -> None:
        """Take the folder, where to tell what happens, whether to keep anything, and the other processes, if any.

        Raises InputError where there are others and nothing is to be kept.
        """
        if team is not None and not wanted:
            raise InputError("several processes exchange what they find through the journal; leave out --no-journal.")
        self.records: Records | None = None
        self.fit: FitJournal | None = None
        self.wanted = wanted
        self._folder, self._console, self._team = folder, console, team
        self._stack = ExitStack()

    def __enter__(self) -> RunJournal:
        """Return itself; say where an earlier run left what this one does not use."""
        if not self.wanted and self._folder.holds_work:
            self._warn(f"what an interrupted run left in {self._folder.path} is neither used nor deleted.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits; where the block raised, say what is kept."""
        self._stack.__exit__(kind, error, trace)
        if error is not None and self.records is not None and self._folder.holds_work:
            less = "" if self.records.writing else ", but for what could not be written"
            self._warn_once(
                f"what is done is kept in {self._folder.whole}{less}; the same command goes on from there, and "
                f"--overwrite with other options starts anew."
            )

    def begin(
        self,
        fingerprint: Fingerprint,
        overwrite: bool,
        datasets: Sequence[SampleSet],
        fit_set: SampleSet | None = None,
    ) -> None:
        """Find or make the journal of a run, and say how much is done.

        Raises InputError where the journal is of another run, as `JournalFolder.begin` does, and, with several
        processes, where it cannot be written or is not the same for all.
        """
        if not self.wanted:
            return
        if self._team is not None and not self._team.first:
            self._join(fingerprint, self._team)
        else:
            try:
                if self._folder.begin(fingerprint, overwrite) and datasets:
                    done = [(self._folder.records.done(samples), samples) for samples in datasets]
                    images = [f"{count} of {len(one.samples)} images of {one.spec}" for count, one in done]
                    self._say(f"goes on: {', '.join(images)} are done")
                if self._team is not None:
                    self._share(self._team)
            except UnwritableError as error:
                if self._team is not None:
                    raise InputError(str(error)) from error
                self._warn(f"there is no journal, so that an interruption loses what is done: {error}")
                return
        self.records = self._records(self._folder.records, fingerprint)
        if fit_set is not None:
            # Those are deleted as soon as they are added up.
            of_fit = self._records(self._folder.fit_records, fingerprint, sparing=False)
            self.fit = FitJournal(
                self._folder, fingerprint, fit_set, self._say, self._warn, self._team, of_fit, self.records
            )

    def _records(self, folder: RecordFolder, fingerprint: Fingerprint, sparing: bool = True) -> Records:
        rank, needed = (0, False) if self._team is None else (self._team.rank, True)
        return self._stack.enter_context(
            Records(folder, fingerprint.sha256, self._warn, writer=rank, needed=needed, sparing=sparing)
        )

    def _share(self, team: Team) -> None:
        """Tell the others where the journal is, in a way that shows whether it is the same for them."""
        token = secrets.token_hex(8)
        try:
            write_atomically(self._folder.token, token.encode())
        except InputError as error:
            raise UnwritableError(str(error)) from error
        team.say(self._folder.said(_BEGUN), token)

    def _join(self, fingerprint: Fingerprint, team: Team) -> None:
        """Find the journal that the first process began; raises InputError where it is not to be seen, or differs."""
        token = team.hear(self._folder.said(_BEGUN))
        if not wait_for(lambda: self._folder.token.is_file() and self._folder.token.read_text() == token):
            raise not_shared(self._folder.path)
        begun = self._folder.fingerprint()
        changed = differences(begun, fingerprint) if begun is not None else ["the journal cannot be read"]
        if changed:
            raise InputError(f"it would do something else than the first process: {'; '.join(changed[:3])}.")

    def _say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _warn(self, text: str) -> None:
        warn(self._console, text)

    def _warn_once(self, text: str) -> None:
        """Warn, unless the journal of another network of the run has."""
        if text not in getattr(self._console, "warned", ()):
            self._warn(text)
