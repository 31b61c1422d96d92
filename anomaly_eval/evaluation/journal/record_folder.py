"""Where the records of images lie, by data set and id."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.runtime.file_names import file_names


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
