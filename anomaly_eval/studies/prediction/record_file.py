"""`predictions.json`, written image by image, so that memory does not grow with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from anomaly_eval.results.record import Record
from anomaly_eval.studies.prediction.records import RECORD


class RecordFile:
    """Writes the record of each image as it comes, and all else at the end. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Take the folder that it lies in."""
        self._path = folder / RECORD
        self._count = 0
        self._lines: IO[str]

    def __enter__(self) -> RecordFile:
        """Begin the file."""
        self._lines = self._path.open("w", encoding="utf-8")
        self._lines.write('{\n"images": [')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._lines.close()

    def add(self, record: Record) -> None:
        """Write what was made of one image."""
        self._lines.write(f"{',' * bool(self._count)}\n{record.model_dump_json()}")
        self._count += 1

    def finish(self, fields: Mapping[str, Any]) -> None:
        """End with all that it holds beside the images, whose values are ready for JSON."""
        self._lines.write("\n]")
        for name, value in fields.items():
            # Infinities as in `StrictRecord`.
            strict = json.loads(json.dumps(value), parse_constant=str)
            self._lines.write(f",\n{json.dumps(name)}: {json.dumps(strict, allow_nan=False)}")
        self._lines.write("\n}\n")
