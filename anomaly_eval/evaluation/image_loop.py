"""The images of a dataset, one after the other: passes that go on from what is kept of them, and predictions alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.prefetch import prefetch, read_ahead, read_pair
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.evaluation.processes.team import Team
from anomaly_eval.evaluation.sharing import collect, contribute
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.segmenters.base import Prediction, Segmenter, predict


@dataclass(frozen=True)
class Passes:
    """How images are worked through: what is shown, what is kept, and who helps.

    records: None where nothing is kept of finished images. team: the processes that share the images of a first pass,
    None for this one alone; they need records.
    """

    console: Console
    clock: Clock
    records: Records | None = None
    team: Team | None = None

    def first(self, samples: SampleSet, title: str, work: Work) -> None:
        """Take what each image adds while that of the next one is computed, or read from its record.

        Raises InputError for an unusable image or label, and what the work raises.
        """
        if self.team is None or self.records is None:
            self.again(samples, title, work)
        else:
            collect(samples, title, work, self.console, self.clock, self.records, self.team)

    def again(self, samples: SampleSet, title: str, work: Work) -> None:
        """Do the same in this process alone, as in a second pass, for which all records are there."""
        with progress_bar(self.console, title, len(samples.samples)) as advance:

            def take_next(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8], arrays: Arrays) -> None:
                work.take(sample, image, label, arrays)
                advance()

            with Beside(take_next) as taking:
                if self.records is None:
                    for pair in prefetch(samples.samples, read_pair, self.clock):
                        taking(*pair, work.finish(work.compute(*pair)))
                    return
                records = self.records
                for seen in prefetch(samples.samples, lambda sample: records.load(samples, sample), self.clock):
                    kept = seen.arrays
                    if kept is None:
                        kept = work.compute(*seen.pair)
                        records.keep(seen, kept)
                    taking(*seen.pair, work.finish(kept))
                records.flush()

    def contribute(self, samples: SampleSet, compute: Compute) -> None:
        """Write records of a share of the images, for the first process to take; raises as `first` does."""
        if self.records is not None and self.team is not None:
            contribute(samples, compute, self.clock, self.records, self.team)


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
