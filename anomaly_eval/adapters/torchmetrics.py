"""The ranking metrics as a `torchmetrics.Metric`; needs the optional dependency `torchmetrics`.

torchmetrics' own ranking metrics put scores outside [0, 1] through a sigmoid, which ties large ones; this one ranks
scores as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from anomaly_eval.adapters.undefined import undefined_rates
from anomaly_eval.metrics.arrays import split_by_label
from anomaly_eval.metrics.binned import BinnedRankingState
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.ranking import RankingState


class AnomalyRanking(Metric):
    """AUROC, average precision and FPR95 of pooled pixels, reduced exactly over processes.

    Without bins the metrics are exact and every score is kept; with bins memory is constant, and the results are those
    of pixels that tie within a bin, with the bounds of the certified intervals as `auroc_low`, `auroc_high` and so on.

    >>> metric = AnomalyRanking()
    >>> metric.update(torch.tensor([[88.0, 3.0], [-7.0, 2.0]]), torch.tensor([[1, 0], [0, 255]]))
    >>> float(metric.compute()["auroc"])
    1.0
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(self, bins: ScoreBins | None = None, **kwargs: Any) -> None:
        """Take the bins, and what `torchmetrics.Metric` takes."""
        super().__init__(**kwargs)
        self.bins = bins
        for name in ("anomalies", "inliers"):
            if bins is None:
                self.add_state(name, default=[], dist_reduce_fx="cat")
            else:
                self.add_state(name, default=torch.zeros(len(bins), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add pixels: scores of any shape and floating type, labels with 0 inlier, 1 anomaly, 255 void.

        The type must be the same on all processes. Raises ValueError for another shape, another label and NaN.
        """
        for name, values in zip(("anomalies", "inliers"), split_by_label(scores, labels), strict=True):
            state = getattr(self, name)
            if self.bins is None:
                state.append(torch.from_numpy(values).to(self.device))
            else:
                state += torch.from_numpy(self.bins.counts(values)).to(self.device)

    def compute(self) -> dict[str, Tensor]:
        """Return the rates in [0, 1] by name, float64; NaN where there is no anomaly or no inlier, as in a batch."""
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self._rates().items()}

    def _is_there(self, name: str) -> bool:
        """Whether there is any pixel of a kind: in counts of bins, in one tensor, or in a list of them."""
        state = getattr(self, name)
        if self.bins is not None:
            return bool(state.any())
        return any(len(values) for values in ([state] if isinstance(state, Tensor) else state))

    def _rates(self) -> dict[str, float]:
        if not (self._is_there("anomalies") and self._is_there("inliers")):
            return undefined_rates(with_bounds=self.bins is not None)
        if self.bins is None:
            exact = RankingState()
            for label, name in ((1, "anomalies"), (0, "inliers")):
                state = getattr(self, name)
                # One tensor after a reduction over processes, a list before.
                for values in [state] if isinstance(state, Tensor) else state:
                    exact.update(values, torch.full(values.shape, label, dtype=torch.uint8))
            return dict(exact.compute().rates)
        binned = BinnedRankingState(self.bins)
        anomalies, inliers = (getattr(self, name).cpu().numpy() for name in ("anomalies", "inliers"))
        binned.add(anomalies, inliers)
        return binned.compute().rates
