"""One run of `gmmseg-anomaly calibrate`: from checkpoints and a dataset to tables and reliability diagrams."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from anomaly_eval.datasets.samples import SampleSet, find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.anomaly import dataset_record
from anomaly_eval.evaluation.closed_set import unchecked_order
from anomaly_eval.metrics.calibration import CalibrationMetrics
from anomaly_eval.metrics.reliability import ReliabilityBins
from anomaly_eval.metrics.temperature import end_of_range
from anomaly_eval.reports.csv_files import csv_of
from anomaly_eval.reports.figures.reliability import draw_reliability
from anomaly_eval.reports.figures.saving import save
from anomaly_eval.reports.latex import latex_table
from anomaly_eval.reports.markdown import markdown_table
from anomaly_eval.reports.names import network_names
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.provenance import timing_of, versions
from anomaly_eval.results.records import DatasetRecord
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import FolderKind, prepare_output
from anomaly_eval.studies.calibration.held_out_temperature import fit_temperature_on
from anomaly_eval.studies.calibration.measuring import calibrate, check_has_probabilities
from anomaly_eval.studies.calibration.records import (
    BinRow,
    CalibrationClassRow,
    CalibrationConventions,
    CalibrationFindings,
    CalibrationRow,
    bin_rows,
    calibration_row,
)
from anomaly_eval.studies.calibration.request import CalibrationRequest
from anomaly_eval.studies.calibration.tables import compare_calibration, method_of

_RECORD, _TABLE, _CLASSES, _BINS = "calibration.json", "calibration", "calibration_classes.csv", "reliability.csv"
_FIGURE = "reliability"
_OF_CLASSES = f"{_FIGURE}_classes"
CALIBRATION = FolderKind(
    _RECORD,
    entries=frozenset(
        {_RECORD, _CLASSES, _BINS}
        | {f"{_TABLE}.{kind}" for kind in ("csv", "tex", "md")}
        | {f"{name}.{kind}" for name in (_FIGURE, f"{_FIGURE}_equal_mass") for kind in ("pdf", "png")}
        | {_OF_CLASSES}
    ),
)
EQUAL_WIDTH, EQUAL_MASS = "equal_width", "equal_mass"


@dataclass(frozen=True)
class _Measured:
    """One line of the table with the bins behind it."""

    row: CalibrationRow
    metrics: CalibrationMetrics


def run_calibration(request: CalibrationRequest, console: Console) -> CalibrationFindings:
    """Measure each network, write tables and diagrams, and return the numbers.

    Raises InputError for a split that temperatures would be fitted and measured on, and as `calibrate` does.
    """
    refuse_lost_inputs(request)
    clock, networks = Clock(), request.networks
    names = network_names([network.given.path for network in networks], request.names)
    with clock.section("input"):
        samples = find_dataset(request.dataset, request.data_root)
        held_out = _held_out(request, samples)
    with prepare_output(request.out, request.overwrite, CALIBRATION) as output:
        measured: list[_Measured] = []
        models: dict[str, ModelRecord] = {}
        unnamed: list[str] = []
        record: DatasetRecord | None = None
        warnings = [] if samples.shortfall is None else [samples.shortfall]
        for name, network in zip(names, networks, strict=True):
            with clock.section("load"):
                segmenter = network.load()
                check_has_probabilities(segmenter, name)
            models[name] = segmenter.describe()
            unnamed += [f"{name}: {warning}" for warning in unchecked_order(samples, segmenter)]
            temperatures, source = [1.0], ""
            if held_out is not None:
                temperatures.append(fit_temperature_on(segmenter, held_out, console, clock, request.seed))
                source = held_out.spec
                if end := end_of_range(temperatures[-1]):
                    warnings.append(f"the temperature of {name} on {source}, {temperatures[-1]:g}, is {end}")
            found = calibrate(segmenter, samples, console, clock, request.bins, temperatures)
            with clock.section("input"):
                record = record or dataset_record(samples, found.sizes, found.void_pixels, hashes=found.hashes)
            for temperature, metrics in zip(temperatures, found.calibration, strict=True):
                fitted_on = source if temperature is not temperatures[0] else ""
                row = calibration_row(name, record, temperature, fitted_on, metrics, found.closed_set)
                measured.append(_Measured(row, metrics))
        if record is None:
            raise InputError("there is no network to calibrate; give --ckpt.")
        warnings += unnamed
        classes = samples.card.classes or ()
        for warning in warnings:
            warn(console, warning)
        with clock.section("output"):
            _draw(measured, classes, request, output.path)
        findings = CalibrationFindings(
            rows=[one.row for one in measured],
            classes=[row for one in measured for row in _class_rows(one, classes)],
            bins=[row for one in measured for row in _bin_rows(one, classes)],
            conventions=CalibrationConventions(),
            command=shlex.join(request.command),
            versions=versions(),
            networks=models,
            dataset=record,
            temperature_seed=request.seed if held_out is not None else None,
            timing=timing_of(clock),
            warnings=warnings,
        )
        _write(findings, output.path)
    return findings


def _held_out(request: CalibrationRequest, samples: SampleSet) -> SampleSet | None:
    if request.temperature_dataset is None:
        return None
    held_out = find_dataset(request.temperature_dataset, request.data_root)
    if held_out.spec == samples.spec:
        raise InputError(
            f"a temperature fitted on {held_out.spec} must not be measured on it; give --temperature-on another split, "
            f"such as one that no training has seen."
        )
    return held_out


def _draw(measured: Sequence[_Measured], classes: Sequence[str], request: CalibrationRequest, folder: Path) -> None:
    by_method = {method_of(one.row): one.metrics for one in measured}
    save(draw_reliability({name: found.reliability for name, found in by_method.items()}), folder / _FIGURE)
    if request.equal_mass:
        equal_mass = {name: found.adaptive_reliability for name, found in by_method.items()}
        save(draw_reliability(equal_mass), folder / f"{_FIGURE}_equal_mass")
    if request.class_wise:
        (folder / _OF_CLASSES).mkdir()
        stems = file_names(classes)
        for index, name in enumerate(classes):
            of_class = {method: found.class_reliability[index] for method, found in by_method.items()}
            save(draw_reliability(of_class, of_class=name), folder / _OF_CLASSES / stems[name])


def _class_rows(one: _Measured, classes: Sequence[str]) -> list[CalibrationClassRow]:
    return [
        CalibrationClassRow(
            network=one.row.network,
            dataset=one.row.dataset,
            temperature=one.row.temperature,
            class_id=index,
            name=name,
            ece=100 * float(one.metrics.class_ece[index]),
        )
        for index, name in enumerate(classes)
    ]


def _bin_rows(one: _Measured, classes: Sequence[str]) -> list[BinRow]:
    kinds: dict[str, ReliabilityBins] = {
        EQUAL_WIDTH: one.metrics.reliability,
        EQUAL_MASS: one.metrics.adaptive_reliability,
        **dict(zip(classes, one.metrics.class_reliability, strict=True)),
    }
    row = one.row
    return [
        line for kind, bins in kinds.items() for line in bin_rows(row.network, row.dataset, row.temperature, kind, bins)
    ]


def _write(findings: CalibrationFindings, folder: Path) -> None:
    table = compare_calibration(findings)
    texts = {
        _RECORD: findings.model_dump_json(indent=2) + "\n",
        f"{_TABLE}.csv": csv_of(CalibrationRow, findings.rows),
        f"{_TABLE}.tex": latex_table(table),
        f"{_TABLE}.md": markdown_table(table),
        _CLASSES: csv_of(CalibrationClassRow, findings.classes),
        _BINS: csv_of(BinRow, findings.bins),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
