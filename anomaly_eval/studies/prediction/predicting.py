"""The same as `gmmseg-anomaly predict` from Python: one result after the other, nothing written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.prefetch import ahead
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.lone_values import as_list_of
from anomaly_eval.runtime.option_fields import asked_fields, build
from anomaly_eval.segmenters.running import Running
from anomaly_eval.studies.prediction.first_look import refuse_unreadable
from anomaly_eval.studies.prediction.frames import Frame, find_inputs
from anomaly_eval.studies.prediction.loop import frames_of
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor, load_predictor
from anomaly_eval.studies.prediction.request import DEFAULT_NETWORK, PredictionRequest

Image = Path | str | NDArray[np.uint8]
_OPTIONS = ("config", "model", "score", "statistics", "threshold", "thresholds", "point")
_OF_RUNNING = tuple(asked_fields(Running))
_PATHS = ("statistics", "thresholds")


def predict(
    network: Any = DEFAULT_NETWORK, images: Iterable[Image] | Image = (), **options: Any
) -> Iterator[PredictedFrame]:
    """Yield what a network says of each image: scores, classes, and what is unknown.

    network: a checkpoint, a shipped network by its name, a network from Python as `evaluate` takes it, or what
    `load_network` loaded. images: files, folders and videos as the command takes them, and arrays uint8 (height, width,
    3) RGB, one or several. options: `config`, `model`, `score`, `statistics`, `threshold`, `thresholds`, `point`, and
    the fields of `Running`, such as `resize` and `device`.

    Raises InputError, whose text is one sentence, for whatever the command would refuse, and for an option that there
    is not; what is wrong with the network, or with files by their names and headers, is raised by the call itself.
    """
    several = [images] if isinstance(images, str | os.PathLike | np.ndarray) else list(images)
    predictor = network if isinstance(network, Predictor) else load_network(network, **options)
    if isinstance(network, Predictor) and options:
        raise InputError(f"the network is loaded already, so {min(options)} comes too late; load it with that.")
    sources = [_arrays(index, one) if isinstance(one, np.ndarray) else _files(one) for index, one in enumerate(several)]
    return _predicted(predictor, (frame for source in sources for frame in source))


def load_network(network: Any = DEFAULT_NETWORK, **options: Any) -> Predictor:
    """Load a network once for several calls of `predict`, with the same options; raises InputError as that does."""
    for name in options:
        if name not in (*_OPTIONS, *_OF_RUNNING):
            raise InputError(f"predict has no option {name!r}; its options are {', '.join((*_OPTIONS, *_OF_RUNNING))}.")
    types = {name: field.type for name, field in asked_fields(PredictionRequest).items()}
    values = {
        name: Path(value) if name in _PATHS and value is not None else as_list_of(types.get(name), value)
        for name, value in options.items()
    }
    if not isinstance(network, str | os.PathLike):
        return load_predictor(replace(build(PredictionRequest, {**values, "inputs": ()}), instance=network))
    return load_predictor(build(PredictionRequest, {**values, "inputs": (), "checkpoint": Path(network)}))


def _predicted(predictor: Predictor, frames: Iterator[Frame]) -> Iterator[PredictedFrame]:
    with closing(ahead(frames)) as read:
        yield from map(predictor, read)


def _files(path: Path | str) -> Iterator[Frame]:
    if not os.fspath(path):
        raise InputError("the path of an image is empty; give a file or a folder, '.' for the current one.")
    inputs, _ = find_inputs([Path(path)])
    refuse_unreadable(inputs)
    return frames_of(inputs, [])


def _arrays(index: int, image: NDArray[np.uint8]) -> Iterator[Frame]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"image {index} is {image.dtype} {image.shape}; give uint8 (height, width, 3), RGB.")
    return iter([Frame(f"image {index}", Path(f"image {index}"), None, image)])
