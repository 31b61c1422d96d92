"""Scores of mask classifiers, over the class evidence L_c(x) = sum_q p_q(c) m_q(x), which is no logit.

p_q is the softmax of query q without the class for no object, m_q(x) the sigmoid of its mask. L_c is at least 0, and
larger than 1 where several queries claim a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ClassStatistics, Score

if TYPE_CHECKING:
    from torch import Tensor

_NEEDS = "the class evidence of a mask classifier"


def rejected_by_all(evidence: Tensor | ClassStatistics) -> Tensor:
    """Return -sum_c tanh L_c of the evidence (classes, ...), in [-classes, 0]."""
    return -ClassStatistics.of(evidence).values.tanh().sum(dim=0)


def negative_max_evidence(evidence: Tensor | ClassStatistics) -> Tensor:
    """Return -max_c L_c of the evidence (classes, ...); one less than Mask2Anomaly's 1 - max_c L_c."""
    return -ClassStatistics.of(evidence).max


def evidence_entropy(evidence: Tensor | ClassStatistics) -> Tensor:
    """Return the entropy in nats of p_c = L_c / sum_k L_k, in [0, log(classes)]; the latter where all evidence is 0.

    A class without evidence adds 0, as 0 log 0 should.
    """
    import torch

    values = ClassStatistics.of(evidence).values
    total = values.sum(dim=0)
    # A pixel without any evidence is of all classes alike.
    shares = torch.where(total > 0, values / total, 1 / len(values))
    entropy: Tensor = -torch.special.xlogy(shares, shares).sum(dim=0)
    return entropy


class RejectedByAll(Score):
    """Rejected by all classes: the sum of squashed evidence, negated."""

    name = "rba"
    title = "RbA"
    paper = "Nayal et al., ICCV 2023"
    source = "evidence"
    needs = _NEEDS
    place = 21

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return rejected_by_all(statistics)


class MaxEvidence(Score):
    """The largest evidence, negated."""

    name = "max_evidence"
    title = "Max evidence"
    paper = "Rai et al., ICCV 2023"
    source = "evidence"
    needs = _NEEDS
    place = 22

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return negative_max_evidence(statistics)


class EvidenceEntropy(Score):
    """Entropy of the classes' shares of the evidence."""

    name = "evidence_entropy"
    title = "Evidence entropy"
    paper = "entropy of the shares"
    source = "evidence"
    needs = _NEEDS
    place = 23

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return evidence_entropy(statistics)
