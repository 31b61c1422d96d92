"""The images of a dataset, one after the other: passes that go on from what is kept of them, and predictions alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.prefetch import Loaded, prefetch, read_ahead, read_pair
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records, Seen, file_hashes
from anomaly_eval.evaluation.processes.team import Team
from anomaly_eval.evaluation.sharing import collect, contribute
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.segmenters.base import Prediction, Segmenter, predict


@dataclass(frozen=True)
class Passes:
    """How images are worked through: what is shown, and who helps.

    Each image is read once for all that is done with it, such as by several networks. team: the processes that share
    the images of a first pass, None for this one alone; they need records.
    """

    console: Console
    clock: Clock
    team: Team | None = None

    def first(self, samples: SampleSet, title: str, works: Sequence[Work]) -> None:
        """Take what each image adds while that of the next one is computed, or read from its record.

        Raises InputError for an unusable image or label, and what the works raise.
        """
        if self.team is None:
            self.again(samples, title, works)
            return
        for work in works:
            collect(samples, title, work, self.console, self.clock, self.team)

    def again(self, samples: SampleSet, title: str, works: Sequence[Work]) -> None:
        """Do the same in this process alone, as in a second pass, for which all records are there."""
        with progress_bar(self.console, title, len(samples.samples)) as advance, ExitStack() as stack:
            lanes = [(work, stack.enter_context(Beside(work.take))) for work in works]
            for pair, records in prefetch(samples.samples, lambda sample: _read(samples, sample, works), self.clock):
                for (work, taking), seen in zip(lanes, records, strict=True):
                    taking(*pair, work.finish(_kept(work, pair, seen)))
                advance()
            for work in works:
                if work.records is not None:
                    work.records.flush()

    def contribute(self, samples: SampleSet, compute: Compute, records: Records | None) -> None:
        """Write records of a share of the images, for the first process to take; raises as `first` does."""
        if records is not None and self.team is not None:
            contribute(samples, compute, self.clock, records, self.team)


def _read(samples: SampleSet, sample: Sample, works: Sequence[Work]) -> tuple[Loaded, list[Seen | None]]:
    """Read an image with its label, and what each of the works has as a record of them."""
    pair = read_pair(sample)
    hashes = file_hashes(sample) if any(work.records is not None for work in works) else ("", "")
    return pair, [None if work.records is None else work.records.find(samples, pair, hashes) for work in works]


def _kept(work: Work, pair: Loaded, seen: Seen | None) -> Arrays:
    """Return what is kept of an image, computed unless there is a record of it."""
    if seen is None or work.records is None:
        return work.compute(*pair)
    if seen.arrays is not None:
        return seen.arrays
    kept = work.compute(*pair)
    work.records.keep(seen, kept)
    return kept


def predictions(
    segmenter: Segmenter, samples: SampleSet, console: Console, clock: Clock, title: str
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], Prediction]]:
    """Yield (image, label, prediction) of each image, with a progress bar of this title.

    Raises InputError for an unusable image or label and for NaN in a prediction; the message names the file.
    """
    with progress_bar(console, title, len(samples.samples)) as advance:
        for sample, image, label in read_ahead(samples, clock):
            with clock.section("forward"), torch.inference_mode():
                prediction = predict(segmenter, image, sample.image)
            yield image, label, prediction
            advance()
