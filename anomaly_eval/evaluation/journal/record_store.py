"""The records of images on disk: where they lie, found again by a run that goes on, written beside one that runs."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from anomaly_eval.datasets.prefetch import Loaded, read_pair
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.record import Arrays, RecordOf, UnusableRecordError, encode_record, read_record
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.runtime.output_folder import cannot_write

_SHARE = 0.1
"""Of the free disk: what records may take without a word."""


class RecordFolder:
    """A folder with one file for each image that has a record; nothing is read or written until it is asked for."""

    def __init__(self, path: Path, datasets: Sequence[SampleSet]) -> None:
        """Take the folder, and all datasets whose images get records."""
        self.path = path
        names = file_names(samples.spec for samples in datasets)
        ids = {samples.spec: file_names(sample.id for sample in samples.samples) for samples in datasets}
        self._names = {spec: (name, ids[spec]) for spec, name in names.items()}

    def file(self, dataset: str, id: str) -> Path:
        """Return where the record of an image lies."""
        name, ids = self._names[dataset]
        return self.path / name / f"{ids[id]}.record"

    def count(self, dataset: str) -> int:
        """Return how many images of a dataset may have a record."""
        return len(self._names[dataset][1])

    def done(self, samples: SampleSet) -> int:
        """Count the images of a dataset that have a record, sound or not."""
        return sum(self.file(samples.spec, sample.id).is_file() for sample in samples.samples)

    @property
    def empty(self) -> bool:
        """Whether no image has a record."""
        return not any(self.path.glob("*/*.record"))

    def drop(self) -> None:
        """Delete all records."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class Seen:
    """A sample, its image and its label, what a record of them says it is of, and that record's arrays."""

    pair: Loaded
    of: RecordOf
    arrays: Arrays | None
    """None where there is no sound record."""


def file_hashes(sample: Sample) -> tuple[str, str]:
    """Return the SHA-256 of the files of an image and of its label."""
    image, label = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (sample.image, sample.label))
    return image, label


class Records:
    """Reads and writes the records of one run. Use it as a context manager."""

    def __init__(
        self,
        folder: RecordFolder,
        run: str,
        warn: Callable[[str], None],
        *,
        writer: int = 0,
        needed: bool = False,
        sparing: bool = True,
    ) -> None:
        """Take the folder, the hash of the run's fingerprint, and what to tell warnings.

        writer: a number of its own for each process that writes. needed: whether a record that cannot be written ends
        the run; otherwise that is warned of once, and no more are written. sparing: whether the same goes for records
        that would take much of the free disk if all images had one.
        """
        self.folder, self._run, self._warn = folder, run, warn
        self._writer, self._needed, self.writing = writer, needed, True
        self._largest: dict[str, int] = {}
        self._room = None if sparing else math.inf
        self._beside = Beside(self._write)

    def load(self, samples: SampleSet, sample: Sample) -> Seen:
        """Read an image, its label and its record, as `find` does.

        Raises InputError where image or label cannot be read.
        """
        return self.find(samples, read_pair(sample), file_hashes(sample))

    def find(self, samples: SampleSet, pair: Loaded, hashes: tuple[str, str]) -> Seen:
        """Read the record of an image whose files have these hashes; one of no use is warned of and not returned."""
        sample = pair[0]
        of = RecordOf(run=self._run, dataset=samples.spec, id=sample.id, image_sha256=hashes[0], label_sha256=hashes[1])
        return Seen(pair, of, self._arrays(self.folder.file(samples.spec, sample.id), of))

    def keep(self, seen: Seen, arrays: Arrays) -> None:
        """Begin to write what an image adds; it takes its name when it is whole.

        Raises InputError for an earlier record that could not be written, where records are needed.
        """
        if self.writing:
            self._beside(self.folder.file(seen.of.dataset, seen.of.id), seen.of, arrays)

    def drop(self, samples: SampleSet, sample: Sample) -> None:
        """Delete the record of an image that is no longer needed, if it can be."""
        with suppress(OSError):
            self.folder.file(samples.spec, sample.id).unlink(missing_ok=True)

    def flush(self) -> None:
        """Return when all records are written; raises InputError as `keep` does."""
        self._beside.wait()

    def stop(self, reason: str) -> None:
        """Write no more records, and say why."""
        if self.writing:
            self.writing = False
            self._warn(
                f"the journal {self.folder.path.parent} cannot be written ({reason}): the run goes on without, and "
                f"what it finds from here on is lost if it is interrupted."
            )

    def __enter__(self) -> Records:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, and end the thread that writes."""
        if error is None:
            self._beside.__exit__(None, None, None)
            return
        # The error that ends the run is the one to tell.
        with suppress(InputError):
            self._beside.__exit__(None, None, None)

    def _arrays(self, path: Path, of: RecordOf) -> Arrays | None:
        try:
            return read_record(path, of)
        except UnusableRecordError as error:
            self._warn(f"the record of {of.id} ({of.dataset}) {error}; the image is looked at again.")
            return None

    def _has_room(self, dataset: str, size: int) -> bool:
        """Return whether a record of some bytes may be written; say once where all of them would take too much."""
        if self._room is None:
            self._room = _SHARE * shutil.disk_usage(self.folder.path).free
        self._largest[dataset] = max(size, self._largest.get(dataset, 0))
        whole = sum(self.folder.count(name) * largest for name, largest in self._largest.items())
        if whole <= self._room:
            return True
        reason = f"it would take {whole / 1e9:.1f} GB, more than a tenth of what is free on the disk"
        if not self._needed:
            self.stop(reason)
            return False
        self._warn(f"the journal {self.folder.path.parent} is large: {reason}.")
        self._room = math.inf
        return True

    def _write(self, path: Path, of: RecordOf, arrays: Arrays) -> None:
        partial = path.with_name(f"{path.name}.partial-{self._writer}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = encode_record(of, arrays)
            if not self._has_room(of.dataset, len(content)):
                return
            # Not fsync: the checksum finds what a power failure tears.
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            if self._needed:
                raise cannot_write(self.folder.path.parent, error) from error
            self.stop(error.strerror or str(error))
