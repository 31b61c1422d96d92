"""One run of `gmmseg-anomaly predict --format`: from images without labels to a folder for a benchmark's server."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np
from rich.console import Console

from anomaly_eval.datasets.prefetch import ahead
from anomaly_eval.runtime.output_folder import prepare_output
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.studies.prediction.first_look import large_inputs, refuse_unreadable
from anomaly_eval.studies.prediction.loop import Predicted, frames_of, now, origin, told, warn_of_all, write_all
from anomaly_eval.studies.prediction.predictor import PredictedFrame, load_predictor
from anomaly_eval.studies.prediction.record_file import RecordFile
from anomaly_eval.studies.prediction.records import PREDICTIONS, ServerImageRecord
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.base import ServerFormat
from anomaly_eval.studies.prediction.servers.fishyscapes import Fishyscapes
from anomaly_eval.studies.prediction.servers.inputs import pictures_for
from anomaly_eval.studies.prediction.servers.oodis import Oodis
from anomaly_eval.studies.prediction.servers.smiyc import Smiyc

SERVERS: dict[str, type[ServerFormat]] = {"smiyc": Smiyc, "oodis": Oodis, "fishyscapes": Fishyscapes}
"""By the values of --format."""


def run_for_server(request: PredictionRequest, console: Console) -> Predicted:
    """Predict all images, each written as it comes, into a folder that appears when all went well.

    A server wants all of its images, so that none is left out. Raises InputError as `run_prediction` does, for any
    image that cannot be read, and as `pictures_for` and the server's format do.
    """
    started = now()
    server = SERVERS[request.format](request)
    inputs, warnings = pictures_for(server)
    with prepare_output(request.out, request.overwrite, PREDICTIONS) as output, ExitStack() as stack:
        refuse_unreadable(inputs)
        predictor = load_predictor(request)
        warnings += predictor.warnings
        server.begin(predictor)
        warnings += large_inputs(inputs, predictor.segmenter.input_size, request.running.resize is not None)
        warn_of_all(console, warnings)
        said_before = len(warnings)
        begun = time.perf_counter()
        advance = stack.enter_context(progress_bar(console, "predicting", len(inputs), speed=True))
        frames = stack.enter_context(closing(ahead(frames_of(inputs, warnings))))
        record = stack.enter_context(RecordFile(output.path))

        def add(found: PredictedFrame) -> None:
            record.add(_record(found, server.write(output.path, found)))

        count = write_all(map(predictor, frames), add, advance)
        seconds = time.perf_counter() - begun
        warnings += server.warnings()
        warn_of_all(console, warnings[said_before:])
        about = {"format": request.format} | server.fields()
        record.finish(origin(request.command, started, predictor) | about | {"seconds": seconds, "warnings": warnings})
    said = told(predictor)
    return replace(said, images=count, seconds=seconds, threshold=said.threshold if server.asks_threshold else "")


def _record(found: PredictedFrame, files: list[str]) -> ServerImageRecord:
    height, width = found.scores.shape
    return ServerImageRecord(
        name=found.frame.name,
        source=str(found.frame.source),
        width=width,
        height=height,
        median_score=float(np.median(found.scores)),
        highest_score=float(found.scores.max()),
        files=files,
    )
