"""What one network, or score maps, give on all datasets of a run, and the folder of results that it becomes."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType

from rich.console import Console

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.evaluation.anomaly import AnomalyEvaluation, AnomalyFindings, every
from anomaly_eval.evaluation.closed_set import (
    ClosedSetEvaluation,
    ClosedSetFindings,
    count_computation,
    unchecked_order,
)
from anomaly_eval.evaluation.image_work import Compute, Work, score_computation
from anomaly_eval.evaluation.inputs import Evaluated
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.operating_points import ThresholdEvaluation, given_thresholds, known
from anomaly_eval.evaluation.pictures import Pictures
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.metrics import registry
from anomaly_eval.reports.tables import write_tables
from anomaly_eval.results.curves import distributions_csv
from anomaly_eval.results.image_counts import write_counts
from anomaly_eval.results.origins import ModelRecord, Origin
from anomaly_eval.results.provenance import threads_on, timing_of, versions
from anomaly_eval.results.records import (
    UNKNOWN_CLASS_MAPS,
    Conventions,
    DatasetRecord,
    OperatingRow,
    Provenance,
    Results,
)
from anomaly_eval.results.resamples import bootstrap_text
from anomaly_eval.results.thresholds import THRESHOLDS_FILE, Behind, Thresholds
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import warn
from anomaly_eval.score_maps.disk import MapsOnDisk
from anomaly_eval.score_maps.saving import writer

Evaluation = AnomalyEvaluation | ClosedSetEvaluation


class Part:
    """One network of a run, or score maps in its place. Use it as a context manager, and call `write` within.

    `begin` gives what is to be done with a dataset, and `end` takes what was found.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        evaluated: Evaluated,
        datasets: Sequence[SampleSet],
        folder: Path,
        *,
        console: Console,
        clock: Clock,
        records: Records | None = None,
        name: str | None = None,
    ) -> None:
        """Take what is evaluated, on which datasets, and the folder to fill; prints the warnings that are known.

        name: of one of several networks, which errors begin with.
        """
        self._name = name
        self._request, self._evaluated, self._datasets, self._folder = request, evaluated, datasets, folder
        self._console, self.clock, self._records, self._stack = console, clock, records, ExitStack()
        self._anomaly: list[AnomalyFindings] = []
        self._closed_set: list[ClosedSetFindings] = []
        self._dataset_records: list[DatasetRecord] = []
        self._points: list[OperatingRow] = []
        self._given, unchecked = self._given_thresholds()
        self._warnings = [*evaluated.warnings, *unchecked]
        self._warnings += [samples.shortfall for samples in datasets if samples.shortfall is not None]
        if evaluated.segmenter is not None:
            closed_sets = [samples for samples in datasets if samples.card.task == "closed_set"]
            self._warnings += [
                text for samples in closed_sets for text in unchecked_order(samples, evaluated.segmenter)
            ]
        for warning in self._warnings:
            warn(console, warning)

    def __enter__(self) -> Part:
        """Open what pictures and score maps are kept in while images pass by."""
        request = self._request
        self._pictures = self._stack.enter_context(
            Pictures(
                self._folder,
                self._datasets,
                heatmaps=request.heatmaps,
                page=request.page,
                figures=request.figures,
                convention=request.measures.fpr_convention,
            )
        )
        self._saved = self._stack.enter_context(writer(self._folder, self._datasets, request.save_scores))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self._stack.__exit__(kind, error, trace)

    def begin(self, samples: SampleSet) -> Evaluation | None:
        """Return the evaluation of a dataset, of which nothing is done yet; None where there is nothing to measure."""
        evaluated, request = self._evaluated, self._request
        if samples.card.task == "closed_set":
            if evaluated.segmenter is None:
                return None
            return ClosedSetEvaluation(
                evaluated.segmenter, samples, self.clock, request.protocol or "card", self._records
            )
        if not evaluated.source.methods:
            return None
        return AnomalyEvaluation(
            evaluated.source,
            samples,
            self.clock,
            request.measures,
            records=self._records,
            observer=every(self._pictures.observer, self._saved.keep if self._saved is not None else None),
            thresholds=[known(row) for row in self._given],
        )

    def of_this(self, work: Work) -> Work:
        """Return work that says in its errors which of several networks it is of."""
        return work if self._name is None else work.of(self._name)

    def end(self, evaluation: Evaluation) -> None:
        """Take what was found on a dataset."""
        samples, found = evaluation.samples, self._found(evaluation)
        if isinstance(found, ClosedSetFindings):
            self._closed_set.append(found)
        else:
            self._anomaly.append(found)
            self._warnings += found.warnings
        self._dataset_records.append(found.record)
        if not found.record.expected_sizes_only:
            self._warnings.append(f"{samples.spec}: {_sizes(found.record)}")

    def thresholds(self, samples: SampleSet) -> ThresholdEvaluation | None:
        """Return the measurement of the thresholds that were chosen on any dataset; None where there are none."""
        chosen = [one for found in self._anomaly for one in found.chosen]
        if not chosen or samples.card.task != "anomaly":
            return None
        return ThresholdEvaluation(self._evaluated.source, samples, self.clock, chosen, self._records)

    def end_thresholds(self, rows: Sequence[OperatingRow]) -> None:
        """Take what thresholds gave on a dataset."""
        self._points += rows

    def write(self, started: str) -> Results:
        """Write everything into the folder, and return the results. started: when the run began, in ISO 8601."""
        source, folder, maps = self._evaluated.source, self._folder, self._evaluated.maps
        with self.clock.section("output"):
            titles = {record.name: record.title for record in self._dataset_records}
            self._pictures.draw_heatmaps(titles, source.methods, self._console)
            model = source.describe()
            if self._saved is not None and self._anomaly and isinstance(model, ModelRecord):
                self._saved.finish(model, self._evaluated.fits, self._dataset_records)
        self._warnings += maps.doubts(self._dataset_records) if maps is not None else []
        with self.clock.section("output"):
            counts_sha256 = write_counts(folder, [one.counts for one in self._anomaly if one.counts is not None])
        results = self._results(model, started, counts_sha256)
        (folder / "results.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_tables(results, folder, self._request.with_published)
        if self._points:
            at_home = [row for row in self._points if row.dataset == row.learnt_on]
            fits = {row.method: fit for row in at_home if (fit := self._evaluated.fits.get(row.method)) is not None}
            file = Thresholds(origin=model, negated=results.provenance.negated, fits=fits, rows=at_home)
            (folder / THRESHOLDS_FILE).write_text(file.model_dump_json(indent=2) + "\n", encoding="utf-8")
        distributions = [one for found in self._anomaly for one in found.distributions]
        for name, text in (distributions_csv(distributions) if distributions else {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        self._pictures.finish(results, distributions, self._request.with_published, self._console)
        return results

    def _found(self, evaluation: Evaluation) -> AnomalyFindings | ClosedSetFindings:
        if isinstance(evaluation, ClosedSetEvaluation):
            return evaluation.findings()
        with self._console.status("bootstrap") if self._request.measures.resamples else nullcontext():
            return evaluation.findings()

    def _results(self, model: Origin, started: str, counts_sha256: str | None) -> Results:
        request, source, anomaly = self._request, self._evaluated.source, self._anomaly
        return Results(
            rows=[row for found in anomaly for row in found.rows],
            intervals=[row for found in anomaly for row in found.intervals],
            differences=[row for found in anomaly for row in found.differences],
            per_image=[row for found in anomaly for row in found.per_image],
            components=[row for found in anomaly for row in found.components],
            operating_points=[*(row for found in anomaly for row in found.operating_points), *self._points],
            given_thresholds=self._given,
            closed_set=[found.row for found in self._closed_set],
            closed_set_classes=[row for found in self._closed_set for row in found.classes],
            datasets=self._dataset_records,
            conventions=_conventions(request.measures, self._evaluated.maps),
            provenance=Provenance(
                command=shlex.join(request.command),
                started=started,
                versions=versions(),
                platform=platform.platform(),
                model=model,
                fits=dict(self._evaluated.fits),
                bootstrap=_bootstrap_text(request.measures),
                negated=[name for name in source.methods if name in request.measures.negate],
                threads=_threads(model),
            ),
            timing=timing_of(self.clock),
            warnings=self._warnings,
            counts_sha256=counts_sha256,
        )

    def _given_thresholds(self) -> tuple[list[OperatingRow], list[str]]:
        """Return the thresholds of --thresholds for the methods there are, and what cannot be checked of them."""
        measures, source = self._request.measures, self._evaluated.source
        if measures.thresholds is None:
            return [], []
        negated = [name for name in source.methods if name in measures.negate]
        models, fits = self._models(), self._evaluated.fits
        behind = {name: Behind(models.get(name), fits.get(name)) for name in source.methods}
        return given_thresholds(measures.thresholds, behind, negated)

    def _models(self) -> dict[str, ModelRecord]:
        """Return the network behind each method, where one is known."""
        source, maps = self._evaluated.source, self._evaluated.maps
        if maps is not None:
            return maps.models
        model = source.describe()
        return dict.fromkeys(source.methods, model) if isinstance(model, ModelRecord) else {}


def computation(request: EvaluationRequest, evaluated: Evaluated, samples: SampleSet, clock: Clock) -> Compute:
    """Return what computes what is kept of an image, for a process that does a share of them."""
    if samples.card.task == "closed_set" and evaluated.segmenter is not None:
        return count_computation(evaluated.segmenter, samples, request.protocol or "card", clock)
    return score_computation(evaluated.source, samples, clock)


def _conventions(measures: Measures, maps: MapsOnDisk | None) -> Conventions:
    definitions = {metric.key: metric.definition for metric in registry.ranking(measures.fpr_convention)}
    conventions = Conventions(metrics=definitions)
    is_known = maps is None or maps.all_saved
    return conventions if is_known else conventions.model_copy(update={"class_maps": UNKNOWN_CLASS_MAPS})


def _threads(model: Origin) -> int | None:
    return threads_on(model.device) if isinstance(model, ModelRecord) else None


def _sizes(record: DatasetRecord) -> str:
    """Say which sizes the images have instead of the card's."""
    found = ", ".join(f"{width}x{height}" for width, height in record.image_sizes)
    width, height = record.expected_size or (0, 0)
    return f"images of {found} instead of {width}x{height}; its numbers are not those of the original images"


def _bootstrap_text(measures: Measures) -> str | None:
    """Say how the intervals came about, None where there are none."""
    if not measures.resamples:
        return None
    return bootstrap_text(measures.resamples, measures.seed or 0)
