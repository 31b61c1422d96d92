"""The ranking metrics as a metric of mmengine, for the validation of mmsegmentation networks on an anomaly dataset.

In a config:

    custom_imports = dict(imports=["anomaly_eval.adapters.mmengine"])
    val_evaluator = dict(type="AnomalyRankingMetric", score="max_logit")

The dataset's masks must hold 0 for inliers, 1 for anomalies and 255 for void, which `ReplaceLabels` can see to.

`save_best="anomaly/auroc"` of mmengine's checkpoint hook needs `rule="greater"` beside it, `anomaly/fpr95` "less".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS

from anomaly_eval.adapters.undefined import undefined_rates
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.arrays import split_by_label
from anomaly_eval.metrics.binned import BinnedRankingState
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.scores import SCORES, FittedScore, Score
from anomaly_eval.scores.base import ClassStatistics

_Image = tuple[np.ndarray, ...]


@METRICS.register_module()
class AnomalyRankingMetric(BaseMetric):  # type: ignore[misc]
    """The ranking metrics in percent over all pixels of the validation set, on any number of processes.

    Every image is kept by itself until the end, as samplers repeat images to give all processes equally many and only
    the whole list tells which are repeated: as its scores where `exact`, else as its occupied bins.
    """

    default_prefix = "anomaly"

    def __init__(self, score: str = "max_logit", exact: bool = True, bits: int = 20, **kwargs: Any) -> None:
        """Take the name of a score of the logits; without `exact`, 2^bits bins save memory.

        The bins are fine near 0 and coarse elsewhere: `msp` near -1 needs `exact`.

        Raises InputError for a score that is unknown or needs more than the logits of a pixel.
        """
        super().__init__(**kwargs)
        usable = {
            name: kind
            for name, kind in SCORES.items()
            if kind.source == "logits" and kind.refine is Score.refine and not issubclass(kind, FittedScore)
        }
        if score not in usable:
            raise InputError(
                f"{score!r} is not computed pixel by pixel from logits alone; choose one of {', '.join(usable)}."
            )
        self.score = usable[score]()
        self.exact = exact
        self.bins = ScoreBins.uniform(bits)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Add a batch: `seg_logits` (classes, height, width) and `gt_sem_seg` (1, height, width) of each sample."""
        for sample in data_samples:
            logits, label = sample["seg_logits"]["data"], sample["gt_sem_seg"]["data"].squeeze(0)
            with torch.inference_mode():
                scores = self.score.reduce(ClassStatistics(logits.float()))
            anomalies, inliers = split_by_label(scores, label, str(sample.get("img_path", "")))
            self.results.append(
                (anomalies, inliers) if self.exact else (*self._occupied(anomalies), *self._occupied(inliers))
            )

    def compute_metrics(self, results: Sequence[_Image]) -> dict[str, float]:
        """Return the metrics of all images in percent, and without `exact` the bounds of their certified intervals.

        All are NaN, with a warning in the log, where there is no anomaly or no inlier: training goes on, and NaN is
        never the best checkpoint.
        """
        missing = self._missing(results)
        if missing:
            print_log(
                f"the {self.prefix} metrics are NaN: of {len(results)} validation images none has {missing} pixel "
                f"(labels: 0 inlier, 1 anomaly, 255 void).",
                logger="current",
                level=logging.WARNING,
            )
            return undefined_rates(with_bounds=not self.exact)
        return {name: 100 * rate for name, rate in (self._exact if self.exact else self._binned)(results).items()}

    def _missing(self, results: Sequence[_Image]) -> str:
        """Say which kind of pixel no image has; empty where there are both."""
        # Scores of anomalies and inliers, or their occupied bins, each followed by its counts.
        places = {"an anomaly": 0, "an inlier": 1 if self.exact else 2}
        return " or ".join(kind for kind, place in places.items() if not any(len(image[place]) for image in results))

    def _occupied(self, values: np.ndarray) -> _Image:
        counts = self.bins.counts(values)
        used = np.flatnonzero(counts)
        return used, counts[used]

    def _exact(self, results: Sequence[_Image]) -> dict[str, float]:
        state = RankingState()
        for anomalies, inliers in results:
            state.update(anomalies, np.ones(len(anomalies), np.uint8))
            state.update(inliers, np.zeros(len(inliers), np.uint8))
        return dict(state.compute().rates)

    def _binned(self, results: Sequence[_Image]) -> dict[str, float]:
        anomalies, inliers = np.zeros((2, len(self.bins)), np.int64)
        for anomaly_bins, anomaly_counts, inlier_bins, inlier_counts in results:
            anomalies[anomaly_bins] += anomaly_counts
            inliers[inlier_bins] += inlier_counts
        state = BinnedRankingState(self.bins)
        state.add(anomalies, inliers)
        return dict(state.compute().rates)
