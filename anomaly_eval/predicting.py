"""A network over all images of a dataset, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.clock import Clock
from anomaly_eval.prediction import Prediction, Segmenter, predict
from anomaly_eval.progress import progress_bar
from anomaly_eval.reading import read_ahead
from anomaly_eval.samples import SampleSet


def predictions(
    segmenter: Segmenter, samples: SampleSet, console: Console, clock: Clock, title: str
) -> Iterator[tuple[NDArray[np.uint8], Prediction]]:
    """Yield (label, prediction) of each image, with a progress bar of this title.

    Raises InputError for an unusable image or label and for NaN in a prediction; the message names the file.
    """
    with progress_bar(console, title, len(samples.samples)) as advance:
        for sample, image, label in read_ahead(samples, clock):
            with clock.section("forward"), torch.inference_mode():
                prediction = predict(segmenter, image, sample.image)
            yield label, prediction
            advance()
