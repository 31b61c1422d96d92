"""One pass over the images of a dataset by several processes: each takes the next image, the first collects all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.prefetch import prefetch
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records, Seen
from anomaly_eval.evaluation.processes.team import Team
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.progress import progress_bar

_POLL, _LATE = 0.02, 10.0


def contribute(
    samples: SampleSet,
    compute: Compute,
    clock: Clock,
    records: Records,
    team: Team,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Write records of the images that nobody else takes, until there are no more; calls `between` after each.

    Raises InputError for an unusable image, for a record that cannot be written, and where another process failed.
    """
    # A dataset may be fitted on and evaluated in one run, and by several networks.
    journal = records.folder.path
    claims = team.claims(f"{journal.parent.name}/{journal.name}/{samples.spec}", len(samples.samples))
    mine = (samples.samples[number] for number in claims)
    for seen in prefetch(mine, lambda sample: records.load(samples, sample), clock):
        if seen.arrays is None:
            records.keep(seen, compute(*seen.pair))
        team.check()
        between()
    records.flush()


def collect(samples: SampleSet, title: str, work: Work, console: Console, clock: Clock, team: Team) -> None:
    """Contribute, and beside it take what all images add, in order, whoever computed what is kept of them.

    All of it comes from records, so that memory does not grow with the lead of one process. Raises as `contribute`,
    and ValueError for work without records.
    """
    records = work.records
    if records is None:
        raise ValueError("several processes exchange what they find through records, and there are none")
    pass_ = _Pass(samples, work, records, team)
    with ThreadPoolExecutor(max_workers=1) as pool:
        collecting = pool.submit(pass_.take_all, console, title)

        def look_at_collecting() -> None:
            if collecting.done():
                collecting.result()

        try:
            contribute(samples, pass_.compute, clock, records, team, look_at_collecting)
            pass_.contributed.set()
            while not wait([collecting], timeout=_POLL).done:
                team.check()
            collecting.result()
        except BaseException:
            pass_.stopped.set()
            raise


class _Pass:
    """What the thread that computes and the thread that collects share."""

    def __init__(self, samples: SampleSet, work: Work, records: Records, team: Team) -> None:
        self._samples, self._work, self._records, self._team = samples, work, records, team
        self._network = threading.Lock()
        self.contributed, self.stopped = threading.Event(), threading.Event()

    def compute(self, sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> Arrays:
        """Compute what is kept of an image; a network does one thing at a time."""
        with self._network:
            return self._work.compute(sample, image, label)

    def take_all(self, console: Console, title: str) -> None:
        """Take all images in order, as their records come."""
        with progress_bar(console, title, len(self._samples.samples)) as advance:
            for seen in prefetch(self._samples.samples, self._when_there, Clock()):
                # Damaged, or written where this process cannot see it.
                kept = self.compute(*seen.pair) if seen.arrays is None else seen.arrays
                self._work.take(*seen.pair, self._work.finish(kept))
                advance()

    def _when_there(self, sample: Sample) -> Seen:
        path, deadline = self._records.folder.file(self._samples.spec, sample.id), None
        while not path.exists():
            self._team.check()
            if self.stopped.is_set():
                raise InterruptedError("the run ends")
            if self.contributed.is_set() and self._team.others_ended:
                deadline = deadline or time.monotonic() + _LATE
                if time.monotonic() > deadline:
                    break
            time.sleep(_POLL)
        return self._records.load(self._samples, sample)
