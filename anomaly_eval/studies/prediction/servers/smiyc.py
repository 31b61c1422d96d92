"""SegmentMeIfYouCan: HDF5 files as the benchmark's own code writes and reads them.

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021. The files follow the README and
`road_anomaly_benchmark/evaluation.py` of github.com/SegmentMeIfYouCan/road-anomaly-benchmark:
`anomaly_p/METHOD/SPLIT/ID.hdf5` with one array `value` (height, width), which `save_output` rounds to float16.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.score_maps.saving import rounded_to_float16
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.records import SMIYC
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.base import ServerFormat, Split, refuse_infinite, write_file
from anomaly_eval.studies.prediction.servers.half_precision import LostOrder
from anomaly_eval.studies.prediction.servers.released_names import LOST_AND_FOUND, ROAD_ANOMALY, ROAD_OBSTACLE

_PLAIN = re.compile(r"\w[\w.+=-]{,99}")
"""Of methods, whose names the benchmark's commands split at commas."""
_MUCH = 0.01
_ENDING = "_leftImg8bit"


class Smiyc(ServerFormat):
    """One HDF5 file an image. Scores are as they are: ranks alone count, and the benchmark bins them by quantiles."""

    title = "SegmentMeIfYouCan"
    splits: ClassVar[Mapping[str, Split]] = {
        "AnomalyTrack-all": Split(images=110, names=ROAD_ANOMALY),
        "ObstacleTrack-all": Split(names=ROAD_OBSTACLE),
        "LostAndFound-train": Split(images=1036, ending=_ENDING, nested=True, names=LOST_AND_FOUND),
        "LostAndFound-test": Split(images=1203, ending=_ENDING, nested=True, names=LOST_AND_FOUND),
        "RoadObstacleWeather-v1": Split(),
        "RoadObstacleExtra-v1": Split(),
    }
    """Those that the benchmark keeps under their own names; all its other splits are parts of these."""

    def __init__(self, request: PredictionRequest) -> None:
        """Take the name of the method and the precision; raises InputError without h5py."""
        super().__init__(request)
        if request.maps == "none":
            raise InputError("--format smiyc is score maps, and --maps none writes none; leave one of them out.")
        if request.method is not None and not _PLAIN.fullmatch(request.method):
            raise InputError(
                f"--method {request.method!r} is no plain folder name; use up to 100 letters, digits and . _ + = -."
            )
        try:
            import h5py  # noqa: F401
        except ImportError as error:
            raise InputError("--format smiyc needs the package h5py; install it with `pip install h5py`.") from error
        self._precision = request.maps or "float16"
        self._method = request.method or ""
        self._lost = LostOrder()

    def begin(self, predictor: Predictor) -> None:
        """Name the method where the user does not."""
        usual = f"{PurePath(predictor.model.checkpoint).stem}_{predictor.score.name}"
        self._method = self._method or file_names([usual])[usual]

    def write(self, folder: Path, found: PredictedFrame) -> list[str]:
        """Write the score map; raises InputError for infinite scores, and for those beyond the range of float16."""
        import h5py

        refuse_infinite(found, self.title)
        values: np.ndarray[Any, np.dtype[Any]] = found.scores
        if self._precision == "float16":
            what = f"the score of {found.frame.source}"
            values = rounded_to_float16(found.scores, what, "--maps float32").astype(np.float16)
            self._lost.add(found.scores, values)
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            file.create_dataset("value", data=values, compression=9)
        return [write_file(folder, f"{SMIYC}/{self._method}/{found.frame.name}.hdf5", content.getvalue())]

    def fields(self) -> dict[str, Any]:
        """Return the method, the precision, and what it costs."""
        lost = 100 * self._lost.share if self._precision == "float16" else None
        return {"method": self._method, "precision": self._precision, "lost_order": lost}

    def warnings(self) -> list[str]:
        """Tell of ranks that collapse."""
        if self._lost.share < _MUCH:
            return []
        return [
            f"float16 gives {100 * self._lost.share:.1f} % of all pairs of pixels the same score, though float32 tells "
            f"them apart; --maps float32 keeps their order, and the benchmark's code reads it as well"
        ]
