"""One run of `gmmseg-anomaly predict`: from images without labels to a folder of score maps, overlays and classes."""

from __future__ import annotations

import platform
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath

from rich.console import Console

from anomaly_eval.datasets.label_files import looks_like_labels
from anomaly_eval.datasets.prefetch import ahead
from anomaly_eval.reports.figures.class_picture import ClassPalette
from anomaly_eval.results.provenance import versions
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.output_folder import prepare_output
from anomaly_eval.runtime.progress import Advance, progress_bar
from anomaly_eval.studies.prediction.colours import with_scale
from anomaly_eval.studies.prediction.frames import Frame, Input, Video, find_inputs
from anomaly_eval.studies.prediction.page import PredictionPage, write_to
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor, load_predictor
from anomaly_eval.studies.prediction.records import LEGEND, PAGE, PREDICTIONS, ScaleRecord, ThresholdRecord
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.writing import PredictionWriter


@dataclass(frozen=True)
class Predicted:
    """What a run did, for the terminal."""

    network: str
    score: str
    threshold: str
    images: int
    seconds: float


def run_prediction(request: PredictionRequest, console: Console) -> Predicted:
    """Predict all images, each written as it comes, into a folder that appears when all went well.

    Raises InputError as `find_inputs` and `load_predictor` do, for an image that cannot be read or predicted, and for a
    place that cannot be written.
    """
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    inputs, warnings = find_inputs(request.inputs)
    with prepare_output(request.out, request.overwrite, PREDICTIONS) as output, ExitStack() as stack:
        predictor = load_predictor(request)
        begun = time.perf_counter()
        total = _total(inputs)
        advance = stack.enter_context(progress_bar(console, "predicting", total, speed=True))
        frames = stack.enter_context(closing(ahead(frames_of(inputs, warnings))))
        scale, predicted = with_scale(predictor, map(predictor, frames))
        palette = ClassPalette(predictor.classes, predictor.threshold is not None)
        _write_legend(palette, output.path)
        said = _told(predictor)
        page = None
        if request.page:
            file = stack.enter_context(write_to(output.path / PAGE))
            legend = list(zip(palette.names, palette.colours.tolist(), strict=True))
            lead = (said.network, said.score, said.threshold, started)
            page = PredictionPage(file, _title(request), lead, legend, total)
        writer = stack.enter_context(
            PredictionWriter(
                output.path,
                scale=scale,
                palette=palette,
                overlays=request.overlays,
                maps=request.maps,
                videos={one.path: one for one in inputs if isinstance(one, Video)},
                page=page,
            )
        )
        count = _write_all(predicted, writer, advance)
        seconds = time.perf_counter() - begun
        for warning in warnings:
            warn(console, warning)
        command = shlex.join(request.command)
        fields = {
            "format_version": 1,
            "command": command,
            "started": started,
            "versions": versions(),
            "platform": platform.platform(),
            "network": predictor.model.model_dump(),
            "score": predictor.score.name,
            "fits": {name: fit.model_dump() for name, fit in predictor.fits.items()},
            "threshold": _threshold_record(predictor),
            "colour_scale": scale.model_dump(),
            "classes": palette.names,
            "videos": writer.films,
            "seconds": seconds,
            "warnings": warnings,
        }
        writer.finish(fields)
        if page is not None:
            page.finish(_about(command, said, scale, predictor))
    return Predicted(said.network, said.score, said.threshold, count, seconds)


def frames_of(inputs: Sequence[Input], warnings: list[str]) -> Iterator[Frame]:
    """Yield all images; a video that ends before its time is warned about, and pictures of labels."""
    labels: list[Path] = []
    for one in inputs:
        seen = 0
        for frame in one.frames():
            seen += 1
            if frame.number is None and looks_like_labels(frame.image):
                labels.append(frame.source)
            yield frame
        if one.count is not None and seen < one.count:
            warnings.append(f"only {seen} of the {one.count} frames of {one.path} could be decoded")
    if labels:
        some = f"{len(labels)} images, such as {labels[0]}, have" if len(labels) > 1 else f"{labels[0]} has"
        warnings.append(f"{some} as few colours as a picture of labels has, and may be no photo")


def _write_all(predicted: Iterator[PredictedFrame], writer: PredictionWriter, advance: Advance) -> int:
    """Write each image while the next one is predicted; return how many there were."""
    count = 0

    def write(found: PredictedFrame) -> None:
        writer.add(found)
        advance()

    with Beside(write) as writing:
        for found in predicted:
            writing(found)
            count += 1
    return count


def _total(inputs: Sequence[Input]) -> int | None:
    counts = [one.count for one in inputs]
    return None if None in counts else sum(count for count in counts if count is not None)


def _write_legend(palette: ClassPalette, folder: Path) -> None:
    (folder / f"{LEGEND}.csv").write_text(palette.legend_csv(), encoding="utf-8")
    palette.draw_legend().savefig(folder / f"{LEGEND}.png")


def _told(predictor: Predictor) -> Predicted:
    """Say which network, score and threshold there are."""
    joint = " (joint density)" if predictor.score.name == "max_logit" and _is_generative(predictor) else ""
    threshold = predictor.threshold
    rule = "no threshold, so nothing is unknown; give --threshold or --thresholds"
    if threshold is not None:
        rule = f"unknown from {threshold.value:.6g} on ({threshold.source})"
    score = f"{method_name(predictor.score.name)}{joint}"
    return Predicted(PurePath(predictor.model.checkpoint).stem, score, rule, 0, 0.0)


def _is_generative(predictor: Predictor) -> bool:
    return "log_density" in predictor.provides


def _title(request: PredictionRequest) -> str:
    names = [path.name or str(path) for path in request.inputs]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _threshold_record(predictor: Predictor) -> dict[str, object] | None:
    known = predictor.threshold
    return None if known is None else ThresholdRecord(value=known.value, source=known.source).model_dump()


def _about(command: str, said: Predicted, scale: ScaleRecord, predictor: Predictor) -> list[tuple[str, str]]:
    model = predictor.model
    return [
        ("Pictures", "left the image under the heat of its scores, the unknown outlined; right the predicted classes"),
        ("Network", f"{model.checkpoint}, sha256 {model.checkpoint_sha256}"),
        ("Resolution", model.resolution),
        ("Score", said.score),
        ("Threshold", said.threshold),
        ("Colours", f"{scale.low:.6g} to {scale.high:.6g}: {scale.source}"),
        ("Command", command),
    ]
