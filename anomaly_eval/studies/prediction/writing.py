"""What is written of each image, as it comes: score map, overlay, classes, and its line of `predictions.json`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.reports.figures.class_picture import ClassPalette
from anomaly_eval.reports.figures.overlay import draw_overlay
from anomaly_eval.score_maps.saving import rounded_to_float16
from anomaly_eval.score_maps.tiff import encode_tiff
from anomaly_eval.studies.prediction.frames import Frame, Video
from anomaly_eval.studies.prediction.page import PredictionPage
from anomaly_eval.studies.prediction.predictor import PredictedFrame
from anomaly_eval.studies.prediction.record_file import RecordFile
from anomaly_eval.studies.prediction.records import CLASSES, OVERLAYS, SCORES, ImageRecord, ScaleRecord
from anomaly_eval.studies.prediction.request import MapPrecision, OverlayFormat

_JPEG_QUALITY = 92


class PredictionWriter:
    """Writes into a folder, so that memory holds one image, however many there are. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        scale: ScaleRecord,
        palette: ClassPalette,
        overlays: OverlayFormat,
        maps: MapPrecision | None,
        videos: Mapping[Path, Video],
        page: PredictionPage | None,
    ) -> None:
        """Take the folder and what is wanted; `videos` by their files."""
        self._folder, self._scale, self._palette = folder, scale, palette
        self._overlays, self._maps, self._videos, self._page = overlays, maps, videos, page
        self._stack = ExitStack()
        self._record = RecordFile(folder)
        self._film: tuple[Path, cv2.VideoWriter] | None = None
        self.films: list[str] = []
        """The overlays of whole videos, relative to the folder."""

    def __enter__(self) -> PredictionWriter:
        """Begin the record."""
        self._stack.enter_context(self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        self._end_film()
        self._stack.close()

    def add(self, found: PredictedFrame) -> None:
        """Write what is wanted of one image; raises OSError or InputError where that cannot be done."""
        frame = found.frame
        picture = draw_overlay(frame.image, found.scores, (self._scale.low, self._scale.high), found.unknown)
        values = self._values(found)
        classes = self._write(f"{CLASSES}/{frame.name}.png", self._palette.png(values))
        record = ImageRecord(
            name=frame.name,
            source=str(frame.source),
            frame=frame.number,
            width=frame.image.shape[1],
            height=frame.image.shape[0],
            median_score=float(np.median(found.scores)),
            highest_score=float(found.scores.max()),
            unknown=None if found.unknown is None else 100 * float(found.unknown.mean()),
            scores=self._write_scores(found),
            overlay=self._write_overlay(frame, picture),
            classes=classes,
        )
        self._record.add(record)
        if self._page is not None:
            self._page.add(record, picture, self._palette.colours[values])

    def finish(self, fields: Mapping[str, Any]) -> None:
        """End the record with all that it holds beside the images, whose values are ready for JSON."""
        self._end_film()
        self._record.finish(fields)

    def _values(self, found: PredictedFrame) -> NDArray[np.uint8]:
        """Return what the picture of classes has at each pixel: the unknown comes after all classes."""
        if found.unknown is None:
            return found.classes
        return np.where(found.unknown, np.uint8(len(self._palette.names) - 1), found.classes)

    def _write_scores(self, found: PredictedFrame) -> str | None:
        # Of a long video they would fill the disk.
        precision = self._maps or ("none" if found.frame.number is not None else "float32")
        if precision == "none":
            return None
        values, what = found.scores, f"the score of {found.frame.source}"
        if precision == "float16":
            values = rounded_to_float16(values, what, "--maps float32")
        return self._write(f"{SCORES}/{found.frame.name}.tif", encode_tiff(values))

    def _write_overlay(self, frame: Frame, picture: NDArray[np.uint8]) -> str | None:
        if self._overlays == "none":
            return None
        colours = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        if frame.number is not None:
            self._film_of(frame).write(colours)
        suffix, settings = (".png", [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if self._overlays == "jpeg":
            suffix, settings = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        done, content = cv2.imencode(suffix, colours, settings)
        if not done:
            raise InputError(f"the overlay of {frame.source} cannot be written as {self._overlays}; choose another.")
        return self._write(f"{OVERLAYS}/{frame.name}{suffix}", content.tobytes())

    def _film_of(self, frame: Frame) -> cv2.VideoWriter:
        """Return what frames of a video are written to; frames of one video come one after the other."""
        if self._film is None or self._film[0] != frame.source or frame.number == 0:
            self._end_film()
            video = self._videos[frame.source]
            name = f"{OVERLAYS}/{video.name}.mp4"
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = frame.image.shape[:2]
            film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), video.rate, (width, height))
            if not film.isOpened():
                raise InputError(f"no overlay of {frame.source} can be written as .mp4 here; give --overlays none.")
            self._film = frame.source, film
            self.films.append(name)
        return self._film[1]

    def _end_film(self) -> None:
        if self._film is not None:
            self._film[1].release()
            self._film = None

    def _write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name
