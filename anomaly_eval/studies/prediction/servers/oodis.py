"""OoDIS: anomalies as instances, one mask each, in the files of Cityscapes' instance benchmark.

Nekrasov et al., "OoDIS: Anomaly Instance Segmentation and Detection Benchmark", ICRA 2025. The files follow
`verify_submission.py`, `assets/expected_files.txt` and `scoring_program/` of github.com/kumuji/anomaly-benchmark-suite:
`SPLIT/ID_instanceIds_pred.txt` with a line `MASK 1 CONFIDENCE` for each instance, and masks
`SPLIT/ID_instanceIds_N_1.png` of the image's size, not 0 where the instance is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.base import ServerFormat, Split, write_file
from anomaly_eval.studies.prediction.servers.released_names import (
    LOST_AND_FOUND,
    ROAD_ANOMALY_TEST,
    ROAD_OBSTACLE_TEST,
)

_PLAIN = re.compile(r"[\w.+=-]+")
"""A blank ends a name in the text files, and the benchmark's code looks for names as patterns."""
_LEAST = 10
"""The evaluation counts no instance of fewer pixels (`minRegionSizes` in scoring_program/evaluate.py)."""


class Oodis(ServerFormat):
    """Connected components of the unknown pixels, each with a confidence.

    The confidence is d / (1 + d), where d is by how much the mean score of its pixels exceeds the threshold: it lies in
    [0, 1) and orders components of all images as their mean scores do.
    """

    title = "OoDIS"
    asks_threshold = True
    splits: ClassVar[Mapping[str, Split]] = {
        "roadanomaly": Split(images=100, names=ROAD_ANOMALY_TEST),
        "roadobstacle": Split(images=412, names=ROAD_OBSTACLE_TEST),
        "fishyscapes": Split(
            images=2239, ending="_leftImg8bit", instead="_gtCoarse", nested=True, names=LOST_AND_FOUND
        ),
    }

    def __init__(self, request: PredictionRequest) -> None:
        """Take the least size."""
        super().__init__(request)
        self._least = _LEAST if request.least_pixels is None else request.least_pixels
        self._threshold = math.nan

    def id_of(self, path: Path, split: str | None) -> str:
        """Return what the server calls an image; raises InputError for a name that its text files cannot hold."""
        name = super().id_of(path, split)
        if not _PLAIN.fullmatch(name):
            raise InputError(
                f"{path} has a name with other characters than letters, digits and . _ + = -; "
                f"give the images under the names that they were released with."
            )
        return name

    def begin(self, predictor: Predictor) -> None:
        """Find the threshold; raises InputError where there is none, and for an infinite one."""
        threshold = predictor.threshold
        if threshold is None:
            raise InputError("--format oodis joins pixels from a threshold on; give --threshold or --thresholds.")
        if not math.isfinite(threshold.value):
            raise InputError(
                f"--format oodis joins pixels from a threshold on, of which {threshold.value} ({threshold.source}) "
                f"leaves all or none; give a finite one."
            )
        self._threshold = threshold.value

    def write(self, folder: Path, found: PredictedFrame) -> list[str]:
        """Write a mask for each instance and their list, the most confident first.

        The benchmark refuses lists without a line, and skips masks without a pixel: where there is no instance, that is
        what is written.
        """
        assert found.unknown is not None
        number, instances = anomaly_instances(found.unknown, found.scores, self._threshold, self._least)
        files, lines = [], []
        for n, (component, confidence) in enumerate(instances or [(-1, 0.0)]):
            name = f"{found.frame.name}_instanceIds_{n}_1.png"
            files.append(write_file(folder, name, _png(number == component)))
            lines.append(f"{Path(name).name} 1 {confidence!r}\n")
        return [write_file(folder, f"{found.frame.name}_instanceIds_pred.txt", "".join(lines).encode()), *files]


def anomaly_instances(
    unknown: NDArray[np.bool_], scores: NDArray[np.float32], threshold: float, least: int
) -> tuple[NDArray[np.int32], list[tuple[int, float]]]:
    """Join unknown pixels to 8-connected components, and say how sure each is.

    unknown: bool (height, width), where scores, float32 of the same shape, are at or above the threshold. least: of
    fewer pixels none is an instance. Returns the number of each pixel's component, int32 (height, width), and the
    numbers of the instances with their confidences, as at `Oodis`, the most confident first.
    """
    _, number, statistics, _ = cv2.connectedComponentsWithStats(unknown.view(np.uint8), connectivity=8)
    sizes = statistics[:, cv2.CC_STAT_AREA]
    inside = number[unknown]
    sums = np.bincount(inside, weights=scores[unknown].astype(np.float64), minlength=len(sizes))
    kept = [
        (int(one), _confidence(sums[one] / sizes[one] - threshold)) for one in np.flatnonzero(sizes >= least) if one
    ]
    return np.asarray(number, np.int32), sorted(kept, key=lambda one: -one[1])


def _confidence(excess: float) -> float:
    # The mean of equal scores may fall below them by a rounding.
    return float(max(excess, 0.0) / (1 + max(excess, 0.0))) if math.isfinite(excess) else 1.0


def _png(mask: NDArray[np.bool_]) -> bytes:
    return bytes(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1])
