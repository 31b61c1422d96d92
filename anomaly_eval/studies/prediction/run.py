"""One run of `gmmseg-anomaly predict`: from images without labels to a folder of score maps, overlays and classes."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from anomaly_eval.datasets.prefetch import ahead
from anomaly_eval.reports.figures.class_picture import ClassPalette
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import prepare_output
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.studies.prediction.colours import with_scale
from anomaly_eval.studies.prediction.first_look import large_inputs, refuse_unreadable, some, unreadable
from anomaly_eval.studies.prediction.format_options import refuse_foreign_options
from anomaly_eval.studies.prediction.frames import Video, find_inputs
from anomaly_eval.studies.prediction.loop import Predicted, frames_of, now, origin, told, total, warn_of_all, write_all
from anomaly_eval.studies.prediction.page import PredictionPage, write_to
from anomaly_eval.studies.prediction.predictor import Predictor, load_predictor
from anomaly_eval.studies.prediction.records import LEGEND, PAGE, PREDICTIONS, RECORD, ScaleRecord, UnreadRecord
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.run import run_for_server
from anomaly_eval.studies.prediction.writing import PredictionWriter


def run_prediction(request: PredictionRequest, console: Console) -> Predicted:
    """Predict all images, each written as it comes, into a folder that appears when all went well.

    An image that turns out to be damaged when it is decoded, hours after the first one perhaps, is left out with a
    warning. Raises InputError as `find_inputs`, `refuse_unreadable` and `load_predictor` do, where no image can be read
    or one cannot be predicted, for a place that cannot be written, and for what a benchmark's server would not take.
    """
    refuse_foreign_options(request)
    refuse_lost_inputs(request)
    if request.format != "pictures":
        return run_for_server(request, console)
    started = now()
    inputs, warnings = find_inputs(request.inputs)
    unread: dict[Path, str] = {}
    with prepare_output(request.out, request.overwrite, PREDICTIONS) as output, ExitStack() as stack:
        refuse_unreadable(inputs)
        predictor = load_predictor(request)
        warnings += predictor.warnings
        warnings += large_inputs(inputs, predictor.segmenter.input_size, request.running.resize is not None)
        warn_of_all(console, warnings)
        said_before = len(warnings)
        begun = time.perf_counter()
        expected = total(inputs)
        advance = stack.enter_context(progress_bar(console, "predicting", expected, speed=True))
        frames = stack.enter_context(closing(ahead(frames_of(inputs, warnings, unread))))
        scale, predicted = with_scale(predictor, map(predictor, frames))
        palette = ClassPalette(predictor.classes, predictor.threshold is not None)
        _write_legend(palette, output.path)
        said = told(predictor)
        page = None
        if request.page:
            file = stack.enter_context(write_to(output.path / PAGE))
            legend = list(zip(palette.names, palette.colours.tolist(), strict=True))
            lead = (said.network, said.score, said.threshold, started)
            page = PredictionPage(file, _title(request), lead, legend, expected)
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
        count = write_all(predicted, writer.add, advance)
        seconds = time.perf_counter() - begun
        if not count:
            raise unreadable(unread, len(inputs))
        warnings += _left_out(unread)
        warn_of_all(console, warnings[said_before:])
        fields = origin(request.command, started, predictor) | {
            "colour_scale": scale.model_dump(),
            "classes": palette.names,
            "unread": [UnreadRecord(source=str(path), reason=why).model_dump() for path, why in unread.items()],
            "videos": writer.films,
            "seconds": seconds,
            "warnings": warnings,
        }
        writer.finish(fields)
        if page is not None:
            page.finish(_about(shlex.join(request.command), said, scale, predictor, unread))
    return replace(said, images=count, seconds=seconds, unread=len(unread))


def _left_out(unread: Mapping[Path, str]) -> list[str]:
    if len(unread) > 1:
        return [f"left out {len(unread)} images that cannot be read, {some(unread)}; {RECORD} says why"]
    return [f"left out: {reason.removesuffix('.')}" for reason in unread.values()]


def _write_legend(palette: ClassPalette, folder: Path) -> None:
    (folder / f"{LEGEND}.csv").write_text(palette.legend_csv(), encoding="utf-8")
    palette.draw_legend().savefig(folder / f"{LEGEND}.png")


def _title(request: PredictionRequest) -> str:
    names = [path.name or str(path) for path in request.inputs]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _about(
    command: str, said: Predicted, scale: ScaleRecord, predictor: Predictor, unread: Mapping[Path, str]
) -> list[tuple[str, str]]:
    model = predictor.model
    return [
        ("Pictures", "left the image under the heat of its scores, the unknown outlined; right the predicted classes"),
        ("Network", f"{model.checkpoint}, sha256 {model.checkpoint_sha256}"),
        ("Resolution", model.resolution),
        ("Score", said.score),
        ("Threshold", said.threshold),
        ("Colours", f"{scale.low:.6g} to {scale.high:.6g}: {scale.source}"),
        ("Command", command),
        *((("Not read", some(unread)),) if unread else ()),
    ]
