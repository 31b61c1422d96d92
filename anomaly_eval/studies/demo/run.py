"""The demo: draw, train two networks, evaluate both, and say what was found."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.datasets.prefetch import read_ahead
from anomaly_eval.datasets.samples import SampleSet, find_dataset
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import run_evaluation
from anomaly_eval.metrics.registry import MIOU
from anomaly_eval.reports.figures.anomaly_grid import ComparedImage, draw_anomaly_grid
from anomaly_eval.reports.figures.reliability import draw_reliability
from anomaly_eval.reports.figures.saving import file_of
from anomaly_eval.reports.heatmaps import choose_evenly
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.output_folder import FolderKind, prepare_output, write_atomically
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.running import AS_USUAL
from anomaly_eval.studies.calibration.measuring import calibrate
from anomaly_eval.studies.demo.findings import DENSITIES, DemoFindings, NetworkFinding
from anomaly_eval.studies.demo.page import COMPARISON, RELIABILITY, html_page
from anomaly_eval.studies.demo.plan import BACKBONE, NETWORK, TWINS, DemoPlan
from anomaly_eval.studies.demo.request import DemoRequest
from anomaly_eval.studies.trainings import Training, train_all
from anomaly_eval.synthetic_streets.request import StreetsRequest
from anomaly_eval.synthetic_streets.writing import CLASSES_NAME, NAME, write_streets

_RECORD, _PAGE = "demo.json", "index.html"
DEMO = FolderKind(
    _RECORD,
    entries=frozenset({_RECORD, _PAGE, COMPARISON, RELIABILITY, "data", "training", *TWINS}),
)
_SHOWN = {"softmax": ("msp", "max_logit"), "gmmseg": DENSITIES}
"""Scores in the picture of both networks side by side."""


def run_demo(request: DemoRequest, console: Console) -> DemoFindings:
    """Write the folder of the demo and return what was found.

    `data/` is a data root, `training/` holds weights and logs, `softmax/` and `gmmseg/` hold what `eval` writes, and
    `index.html` is the summary. Raises InputError for a folder that cannot be used, for too few minutes, and for a
    training that fails.
    """
    plan = DemoPlan.of(request.minutes, request.quick)
    clock = Clock()
    with prepare_output(request.out, request.overwrite, DEMO) as output:
        data_root = output.path / "data"
        with clock.section("drawing"):
            counts = dict(train=plan.train, val=plan.val, test=plan.test)
            write_streets(StreetsRequest(data_root, request.seed, **counts), console)
        trainings = {
            kind: Training(
                f"{kind}_{NETWORK}",
                plan.options,
                data_root,
                output.path / "training" / kind,
                request.seed,
                plan.iterations,
                BACKBONE,
            )
            for kind in TWINS
        }
        with clock.section("training"):
            train_all(list(trainings.values()), len(trainings), console)
        test, val = (find_dataset(name, data_root) for name in (NAME, f"{CLASSES_NAME}:val"))
        networks, segmenters, calibrations = [], {}, {}
        for kind, training in trainings.items():
            network = AS_USUAL.network(training.weights, None)
            with clock.section("evaluation"):
                results = run_evaluation(
                    EvaluationRequest(
                        datasets=[NAME, f"{CLASSES_NAME}:val"],
                        checkpoints=[training.weights],
                        out=output.path / kind,
                        data_root=data_root,
                        fit_dataset=f"{CLASSES_NAME}:train",
                        heatmaps=plan.pictures,
                        journal=False,
                        command=request.command,
                    ),
                    console,
                )
            with clock.section("calibration"):
                segmenters[kind] = network.load()
                calibrations[kind] = calibrate(segmenters[kind], val, console, Clock()).calibration[0]
            networks.append(
                NetworkFinding(
                    kind=kind,
                    name=TWINS[kind],
                    miou=results.closed_set[0].metrics[MIOU.key],
                    ece=100 * calibrations[kind].ece,
                    rows=results.rows,
                )
            )
        with clock.section("pictures"):
            reliability = draw_reliability({TWINS[kind]: found.reliability for kind, found in calibrations.items()})
            comparison = draw_anomaly_grid(_compared(segmenters, test, plan.pictures))
            for name, figure in ((RELIABILITY, reliability), (COMPARISON, comparison)):
                write_atomically(output.path / name, file_of(figure, "png"))
        findings = DemoFindings(
            command=shlex.join(request.command),
            seed=request.seed,
            iterations=plan.iterations,
            networks=networks,
            seconds={**clock.seconds, "all": clock.total},
        )
        write_atomically(output.path / _RECORD, (findings.model_dump_json(indent=2) + "\n").encode())
        write_atomically(output.path / _PAGE, html_page(findings).encode())
    return findings


def _compared(segmenters: Mapping[str, Segmenter], samples: SampleSet, count: int) -> list[ComparedImage]:
    """Return evenly chosen images with the scores of both networks."""
    chosen = set(choose_evenly([sample.id for sample in samples.samples], count))
    few = replace(samples, samples=tuple(sample for sample in samples.samples if sample.id in chosen))
    compared = []
    for _, image, label in read_ahead(few, Clock()):
        scores: dict[str, NDArray[np.float32]] = {}
        for kind, segmenter in segmenters.items():
            with torch.inference_mode():
                maps = score_maps(segmenter(image), choose_scores(_SHOWN[kind], segmenter.provides))
            scores |= {f"{TWINS[kind]}\n{method_name(name)}": values.cpu().numpy() for name, values in maps.items()}
        compared.append(ComparedImage(image, label, scores))
    return compared
