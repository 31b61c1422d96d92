"""Fishyscapes: what a submitted container writes.

Blum et al., "The Fishyscapes Benchmark", IJCV 2021. The files follow the page fishyscapes.com/submission, and `eval.py`
of github.com/hermannsblum/fishyscapes: for each image `/input/DDDD_*.png`, where D is a digit, arrays of its size in
`/output/DDDD_anomaly.npy` (scores) and `/output/DDDD_segmentation.npy` (classes from 0 to 19).
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.records import FISHYSCAPES
from anomaly_eval.studies.prediction.servers.base import ServerFormat, refuse_infinite, write_file

_NUMBER = re.compile(r"([0-9]{4})_.+")
_CLASSES = 20


class Fishyscapes(ServerFormat):
    """Two NumPy arrays an image: scores in float32, and the predicted classes, among which there is no unknown."""

    title = "Fishyscapes"

    def id_of(self, path: Path, split: str | None) -> str:
        """Return the number of an image; raises InputError where its name has none."""
        found = _NUMBER.fullmatch(path.stem)
        if found is None:
            raise InputError(
                f"{path} is not called DDDD_*{path.suffix}, four digits first, as the images of Fishyscapes are; "
                f"give them under the names that they were released with."
            )
        return found[1]

    def begin(self, predictor: Predictor) -> None:
        """Raise InputError for a network of more classes than the benchmark has."""
        if len(predictor.classes) > _CLASSES:
            raise InputError(
                f"the network has {len(predictor.classes)} classes, and Fishyscapes takes {_CLASSES} at most, those of "
                f"Cityscapes in its order; leave some out with --known-classes."
            )

    def write(self, folder: Path, found: PredictedFrame) -> list[str]:
        """Write both arrays; raises InputError for infinite scores."""
        refuse_infinite(found, self.title)
        name = f"{FISHYSCAPES}/{found.frame.name}"
        return [
            write_file(folder, f"{name}_anomaly.npy", _npy(found.scores)),
            write_file(folder, f"{name}_segmentation.npy", _npy(found.classes)),
        ]


def _npy(values: NDArray[np.float32] | NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    return content.getvalue()
