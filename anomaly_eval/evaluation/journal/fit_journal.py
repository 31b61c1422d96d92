"""What is kept of a fit: the sums over the images so far while it runs, and what the scores learnt once it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.fingerprint import Fingerprint
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder, not_shared, wait_for
from anomaly_eval.evaluation.journal.record import Arrays, RecordOf, UnusableRecordError, encode_record, read_record
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.evaluation.processes.team import Team
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.scores import FittedScore
from anomaly_eval.scores.statistics_file import load_statistics, save_statistics

_EVERY = 2.0
"""Seconds until records of images are replaced by their sum, which takes less space."""
_START, _KNOWN, _FITTED = "start", "known", "fitted"
_IMAGES = "images"


class FitJournal:
    """The part of a run's journal that is about fitting, for this process alone or for one of several."""

    def __init__(
        self,
        folder: JournalFolder,
        fingerprint: Fingerprint,
        samples: SampleSet,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        team: Team | None,
        records: Records,
        records_of_images: Records,
    ) -> None:
        """Take the folder, the run's fingerprint, the images that are fitted on, and what to tell.

        records: where each of them leaves what it adds. records_of_images: those that depend on the fit.
        """
        self.team, self.records = team, records
        self.files_sha256 = fingerprint.fit.files_sha256 if fingerprint.fit is not None else None
        self._folder, self._samples, self._say, self._warn = folder, samples, say, warn
        self._dependent = records_of_images
        self._of = RecordOf(run=fingerprint.sha256, dataset=samples.spec, id="", image_sha256="", label_sha256="")
        self._writing, self._last, self._dropped = True, time.monotonic(), 0

    def known(self, model: ModelRecord, scores: Sequence[FittedScore]) -> dict[str, FitRecord] | None:
        """Load what the scores learnt in an earlier start of the run; None where they must be fitted."""
        found = self._read_statistics(model, scores)
        if found is None:
            # A second fit need not have the same bits on a GPU.
            self._folder.records.drop()
        elif self.team is not None:
            self.team.say(self._folder.said(_START), _KNOWN)
        return found

    def begin(self) -> tuple[int, Arrays]:
        """Return how many images are added up already, and their sums, which are empty where there are none."""
        done, sums = self._read_sums()
        samples = self._samples.samples
        known = done + sum(self.records.folder.file(self._samples.spec, one.id).is_file() for one in samples[done:])
        if known:
            self._say(f"goes on: {known} of {len(samples)} images of {self._samples.spec} are fitted on")
        if self.team is not None:
            self.team.say(self._folder.said(_START), str(done))
        self._dropped = done
        return done, sums

    def begun(self) -> int | None:
        """Return, as another process than the first, how many images need no work; None where all is known."""
        start = self.team.hear(self._folder.said(_START)) if self.team is not None else _KNOWN
        return None if start == _KNOWN else int(start)

    def keep(self, done: int, sums: Arrays) -> None:
        """Write the sums over the first images, from time to time, and delete the records that they replace."""
        if not self._writing or time.monotonic() - self._last < _EVERY:
            return
        try:
            arrays = {**sums, _IMAGES: np.array([done])}
            write_atomically(self._folder.sums, encode_record(self._of, arrays))
        except InputError as error:
            self._writing = False
            self._warn(f"what images add up to cannot be kept: {error}")
            return
        self._last = time.monotonic()
        self._drop_until(done)

    def finish(self, model: ModelRecord, scores: Sequence[FittedScore], fits: Mapping[str, FitRecord]) -> None:
        """Keep what the scores learnt; raises InputError where it cannot be written and other processes need it."""
        try:
            save_statistics(self._folder.statistics, model, scores, fits)
        except InputError as error:
            if self.team is not None:
                raise
            self._dependent.stop(str(error))
            return
        # One by one, as another process may be about to write into the same folder.
        self._drop_all()
        self._folder.drop_sums()
        if self.team is not None:
            self.team.say(self._folder.said(_FITTED), "yes")

    def give_up(self) -> None:
        """Delete what images added, as nothing can be learnt from it: other images must not be held against it."""
        self._drop_all()
        self._folder.drop_sums()

    def learnt(self, model: ModelRecord, scores: Sequence[FittedScore], fitted_now: bool) -> dict[str, FitRecord]:
        """Load, as another process than the first, what that one knows or fits now."""
        if fitted_now and self.team is not None:
            self.team.hear(self._folder.said(_FITTED))
        if not wait_for(self._folder.statistics.is_file):
            raise not_shared(self._folder.path)
        return load_statistics(self._folder.statistics, model, scores)

    def _drop_until(self, done: int) -> None:
        """Delete the records of the first images, which are in the sums."""
        for sample in self._samples.samples[self._dropped : done]:
            self.records.drop(self._samples, sample)
        self._dropped = max(self._dropped, done)

    def _drop_all(self) -> None:
        """Delete all records; one that was in a sum before it was written is there only now."""
        self._dropped = 0
        self._drop_until(len(self._samples.samples))

    def _read_statistics(self, model: ModelRecord, scores: Sequence[FittedScore]) -> dict[str, FitRecord] | None:
        if not self._folder.statistics.is_file():
            return None
        try:
            found = load_statistics(self._folder.statistics, model, scores)
        except InputError:
            self._warn(f"the statistics in {self._folder.path} are damaged, so all is done again.")
            return None
        return found if len(found) == len(scores) else None

    def _read_sums(self) -> tuple[int, Arrays]:
        try:
            arrays = read_record(self._folder.sums, self._of)
        except UnusableRecordError as error:
            self._warn(f"what the images of {self._samples.spec} add up to {error}; fitting begins anew.")
            return 0, {}
        if arrays is None:
            return 0, {}
        return int(arrays.pop(_IMAGES)[0]), arrays
