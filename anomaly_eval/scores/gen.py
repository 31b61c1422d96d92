"""Generalised entropy of the softmax (Liu et al., CVPR 2023: "GEN: Pushing the Limits of Softmax-Based ...")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anomaly_eval.errors import InputError
from anomaly_eval.scores.base import ClassStatistics, Score, ScoreOption

if TYPE_CHECKING:
    from torch import Tensor


def generalised_entropy(logits: Tensor | ClassStatistics, gamma: float = 0.1, top: int = 100) -> Tensor:
    """Return sum p^gamma (1 - p)^gamma over the `top` largest softmax probabilities, at least 0.

    In logarithms: to a small power even what float32 rounds away counts, as 1e-40 ** 0.1 is 1e-4. So 1 - p of the
    predicted class is the sum of the others.
    """
    import torch

    statistics = ClassStatistics.of(logits)
    shifted, classes = statistics.shifted, len(statistics.values)
    log_p = shifted - statistics.log_partition
    largest = statistics.argmax[None]
    others = shifted.scatter(0, largest, -torch.inf).logsumexp(dim=0, keepdim=True) - statistics.log_partition
    # No other class has more than a half.
    log_rest = torch.log1p(-log_p.exp().clamp_(max=0.5)).scatter_(0, largest, others)
    terms = (log_p.add_(log_rest)).mul_(gamma).exp_()
    if top < classes:
        terms = terms.gather(0, shifted.topk(top, dim=0).indices)
    return terms.sum(dim=0)


class GEN(Score):
    """Generalised entropy; the power lifts small probabilities, which the entropy hardly sees."""

    name = "gen"
    title = "GEN"
    paper = "Liu et al., CVPR 2023"
    instead = ("probabilities",)
    place = 15
    by_default = False
    options = (
        ScoreOption("gamma", float, "Power of GEN, above 0 and at most 1. Default: 0.1.", min=0),
        ScoreOption("top", int, "How many of the largest probabilities GEN adds up. Default: 100, or all.", min=1),
    )

    def __init__(self, gamma: float = 0.1, top: int = 100) -> None:
        self.gamma, self.top = gamma, top

    @classmethod
    def configured(cls, **options: Any) -> Score:
        """Take a power and a number of classes; raises InputError for a power that is none."""
        gamma = options.get("gamma", 0.1)
        if not 0 < gamma <= 1:
            raise InputError(f"--gen-gamma is above 0 and at most 1, not {gamma:g}.")
        return super().configured(**options)

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return generalised_entropy(statistics, self.gamma, self.top)
