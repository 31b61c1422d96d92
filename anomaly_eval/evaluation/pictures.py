"""What an evaluation shows of images: kept while they pass by, drawn and written at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.evaluation.anomaly import Observer
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.reports.figures.dataset import draw_distributions
from anomaly_eval.reports.heatmaps import HeatmapStore, choose_evenly
from anomaly_eval.reports.page.store import PageStore
from anomaly_eval.reports.page.write import write_page
from anomaly_eval.results.curves import Distribution
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.progress import progress_bar

FIGURES = "figures"
_MOST_ON_PAGE = 200


class Pictures:
    """Heatmaps of some images, the page with all of them, and figures, as far as they are wanted.

    Use it as a context manager: temporary files lie in `folder` until it ends.
    """

    def __init__(
        self,
        folder: Path,
        datasets: Sequence[SampleSet],
        *,
        heatmaps: int | None,
        page: bool,
        figures: bool,
        convention: Convention,
    ) -> None:
        """Take the output folder; `heatmaps` is how many images of each dataset get them, None being all."""
        self._folder, self._figures, self._stack = folder, figures, ExitStack()
        self._heatmaps = None if heatmaps == 0 else self._stack.enter_context(HeatmapStore(folder))
        self._page = self._stack.enter_context(PageStore(folder, convention)) if page else None
        ids = {samples.spec: [sample.id for sample in samples.samples] for samples in datasets}
        self._drawn = {name: set(choose_evenly(own, heatmaps or len(own))) for name, own in ids.items()}
        self._browsed = {name: set(choose_evenly(own, _MOST_ON_PAGE)) for name, own in ids.items()}

    def __enter__(self) -> Pictures:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary files."""
        self._stack.close()

    @property
    def observer(self) -> Observer | None:
        """What to call with each image and its scores; None where nothing is kept of them."""
        return None if self._heatmaps is None and self._page is None else self._keep

    def draw_heatmaps(self, titles: Mapping[str, str], methods: Sequence[str], console: Console) -> None:
        """Draw the heatmaps; titles of the datasets by name."""
        if self._heatmaps is not None:
            names = {method: method_name(method) for method in methods}
            with progress_bar(console, "heatmaps", self._heatmaps.count) as advance:
                self._heatmaps.draw(self._folder, names, titles, lambda done, total: advance())

    def finish(
        self, results: Results, distributions: Sequence[Distribution], with_published: bool, console: Console
    ) -> None:
        """Draw the figures and write the page."""
        if self._figures:
            with console.status("figures"):
                draw_distributions(distributions, self._folder / FIGURES)
        if self._page is not None:
            curves = {(one.dataset, one.method): one.curve for one in distributions}
            count = sum(len(self._page.samples(name)) for name in self._page.datasets)
            with progress_bar(console, "page", count) as advance:
                write_page(self._page, results, curves, self._folder, with_published, lambda done, total: advance())

    def _keep(
        self,
        samples: SampleSet,
        sample: Sample,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        maps: Mapping[str, NDArray[np.float32]],
    ) -> None:
        for method, values in maps.items():
            if self._heatmaps is not None and sample.id in self._drawn[samples.spec]:
                self._heatmaps.add(samples.spec, method, sample.id, image, label, values)
            if self._page is not None:
                shown = sample.id in self._browsed[samples.spec]
                self._page.add(samples.spec, method, sample.id, image, label, values, shown)
